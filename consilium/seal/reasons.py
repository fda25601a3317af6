"""Every refusal in plain words: code -> (Russian, English). Codes are API and never change meaning."""

from collections.abc import Mapping
from datetime import UTC, datetime

from consilium.seal.time_reasons import TIME_REASONS

__all__ = ["REASONS", "sentence"]

REASONS: dict[str, tuple[str, str]] = {
    "OK": ("Подпись верна.", "The signature holds."),
    "OK_BY_POWER": (
        "Подпись верна; человек подписал за организацию по доверенности, названной в report/seal.json. Действует ли"
        " она и та ли это организация, здесь не видно: сверьте доверенность в реестре.",
        "The signature holds; a person signed for the organisation by the power of attorney named in report/seal.json."
        " Whether it is in force, and of this organisation, cannot be seen here: look it up in the registry of powers.",
    ),
    # The file itself
    "EMPTY": ("Файл подписи пуст.", "The signature file is empty."),
    "NOT_CMS": (
        "Это не файл электронной подписи CMS в кодировке DER.",
        "This is not a DER-encoded CMS signature file.",
    ),
    "TOO_LARGE": (
        "Файл больше допустимого предела: {size} при пределе {limit}.",
        "The file is larger than allowed: {size}, the limit is {limit}.",
    ),
    "TOO_DEEP": (
        "Структура файла подписи недопустимо сложна.",
        "The signature file is nested or split beyond what is allowed.",
    ),
    "TRUNCATED": ("Файл подписи обрывается.", "The signature file is cut short."),
    "TRAILING_DATA": (
        "После подписи в файле есть лишние данные.",
        "The file carries extra data after the signature.",
    ),
    "BER_INDEFINITE": (
        "Подпись записана с неопределённой длиной (BER), а требуется строгая запись DER.",
        "The signature uses indefinite-length BER; strict DER is required.",
    ),
    "NOT_DER": (
        "Подпись записана не по правилам DER.",
        "The signature is not written in strict DER.",
    ),
    "FORMAT": (
        "Состав подписи не соответствует формату CAdES-BES.",
        "The signature does not follow the CAdES-BES format: {what}.",
    ),
    "NOT_SIGNED_DATA": (
        "В файле не подпись, а другой вид защищённых данных.",
        "The file holds another kind of protected data, not a signature.",
    ),
    "ATTACHED": (
        "Подпись содержит свою копию документа, а должна быть отсоединённой.",
        "The signature carries its own copy of a document; it must be detached.",
    ),
    "SIGNER_COUNT": (
        "В файле должна быть ровно одна подпись; найдено: {count}.",
        "The file must hold exactly one signature; found: {count}.",
    ),
    # Signed attributes
    "NO_SIGNED_ATTRS": (
        "В подписи нет подписанных атрибутов, без них её можно приложить к другому документу.",
        "The signature has no signed attributes; without them it could be moved to another document.",
    ),
    "ATTRS_NOT_DER": (
        "Подписанные атрибуты записаны не по порядку DER.",
        "The signed attributes are not in DER order.",
    ),
    "ATTR_MISSING": (
        "В подписи нет обязательного атрибута {attribute}.",
        "The signature lacks the required attribute {attribute}.",
    ),
    "ATTR_DUPLICATED": (
        "Атрибут {attribute} встречается больше одного раза.",
        "The attribute {attribute} appears more than once.",
    ),
    "ATTR_VALUE": (
        "Значение атрибута {attribute} недопустимо.",
        "The attribute {attribute} has an invalid value.",
    ),
    "CONTENT_TYPE": (
        "Тип подписанных данных указан неверно.",
        "The type of the signed data is stated wrongly.",
    ),
    "UNSIGNED_ATTRS": (
        "В подписи есть неподписанные сведения, которые эта политика не допускает.",
        "The signature carries unsigned attributes that this policy does not allow.",
    ),
    "SIGNING_CERT_REF": (
        "Подпись ссылается не на тот сертификат, который к ней приложен.",
        "The signature refers to another certificate than the one enclosed.",
    ),
    # Algorithms and mathematics
    "WEAK_DIGEST": (
        "Функция хеширования {algorithm} больше не считается надёжной.",
        "The digest algorithm {algorithm} is no longer considered safe.",
    ),
    "UNKNOWN_ALGORITHM": (
        "Алгоритм {algorithm} не допускается политикой подписи.",
        "The algorithm {algorithm} is not allowed by the signature policy.",
    ),
    "ALG_MISMATCH": (
        "Алгоритмы, указанные в подписи, противоречат друг другу или ключу.",
        "The algorithms named in the signature contradict each other or the key.",
    ),
    "WEAK_KEY": (
        "Ключ подписи не соответствует политике: {key}.",
        "The signing key does not meet the policy: {key}.",
    ),
    "DIGEST_MISMATCH": (
        "Подписан другой документ: его содержание отличается от этого.",
        "Another document was signed: its content differs from this one.",
    ),
    "BAD_SIGNATURE": (
        "Подпись не сходится: она повреждена или сделана другим ключом.",
        "The signature does not verify: it is damaged or made with another key.",
    ),
    "DOCUMENT_IS_ATTRS": (
        "Документ сам является подписанными атрибутами другой подписи; это признак подделки.",
        "The document is itself the signed attributes of another signature, which is a forgery trick.",
    ),
    # The certificate
    "NO_CERTIFICATE": (
        "В подписи нет сертификата подписавшего.",
        "The signer's certificate is not enclosed.",
    ),
    "EXTRA_CERTIFICATE": (
        "В подпись вложен сертификат, не относящийся к подписавшему.",
        "The signature encloses a certificate that has nothing to do with the signer.",
    ),
    "BAD_CERTIFICATE": ("Сертификат не читается.", "The certificate cannot be read."),
    "CA_AS_SIGNER": (
        "Документ подписан сертификатом удостоверяющего центра, а не человека или организации.",
        "The document is signed with an authority's certificate, not a person's or organisation's.",
    ),
    "KEY_USAGE": (
        "Сертификат выдан не для подписания документов.",
        "The certificate was not issued for signing documents.",
    ),
    "EKU_ROLE": (
        "Расширенное назначение ключа не допускает подписание документов.",
        "The extended key usage does not allow signing documents.",
    ),
    "CERT_EXPIRED": (
        "Срок действия сертификата истёк {until}.",
        "The certificate expired on {until}.",
    ),
    "CERT_NOT_YET_VALID": (
        "Сертификат ещё не действует: он начинает действовать {since}.",
        "The certificate is not valid yet: it starts on {since}.",
    ),
    "UNTRUSTED": (
        "Сертификат выдан центром, которому система не доверяет.",
        "The certificate comes from an authority this system does not trust.",
    ),
    "REVOKED": ("Сертификат отозван.", "The certificate has been revoked."),
    "NO_CRL": (
        "Нет списка отозванных сертификатов, проверить отзыв нельзя; подпись не принята.",
        "There is no revocation list to check against; the signature is not accepted.",
    ),
    "CRL_STALE": (
        "Список отозванных сертификатов устарел; подпись не принята.",
        "The revocation list is out of date; the signature is not accepted.",
    ),
    # The person and the moment
    "SIGNING_TIME_SKEW": (
        "Время подписания {claimed} не совпадает с временем сервера {expected}.",
        "The signing time {claimed} does not agree with the server's time {expected}.",
    ),
    "SIGNER_MISMATCH": (
        "Подписал не тот, от кого ждали подпись.",
        "The signature was made by someone other than the expected signer.",
    ),
    "GOST_UNAVAILABLE": (
        "На сервере нет средства проверки ГОСТ (движок gost для OpenSSL); подпись не принята.",
        "This server lacks the GOST engine of OpenSSL; the signature is not accepted.",
    ),
    "CERT_FIELDS": (
        "В сертификате нет обязательных сведений о владельце: {fields}.",
        "The certificate lacks what it must say of its holder: {fields}.",
    ),
    "POWER_OF_ATTORNEY": (
        "Вместо организации подписал человек, а его машиночитаемая доверенность (МЧД) не указана.",
        "A person signed instead of the organisation, and his power of attorney is not named.",
    ),
    "CHECK_FAILED": (
        "Проверку не удалось довести до конца; подпись не принята.",
        "The check could not be completed; the signature is not accepted.",
    ),
    # Requests to the demonstration authority
    "CSR_FORMAT": ("Запрос на сертификат не читается.", "The certificate request cannot be read."),
    "CSR_SIGNATURE": (
        "Запрос на сертификат не подписан своим ключом.",
        "The certificate request is not signed with its own key.",
    ),
    "CSR_KEY": (
        "Ключ в запросе не подходит: нужен P-256 или RSA от 2048 бит, у центра ГОСТ - ключ ГОСТ Р 34.10-2012.",
        "The key does not fit: P-256 or RSA from 2048 bits is needed, a GOST authority takes GOST R 34.10-2012.",
    ),
    "CSR_KEY_TAKEN": (
        "На этот ключ уже выдан сертификат другому владельцу.",
        "This key already has a certificate with another owner.",
    ),
    "CSR_SUBJECT": (
        "Сведения о владельце сертификата неполны или неверны (поле {what}).",
        "The certificate owner's details are incomplete or wrong (field {what}).",
    ),
    "AUTHORITY_MISSING": (
        "Демонстрационный удостоверяющий центр не создан или повреждён.",
        "The demonstration authority does not exist or is damaged.",
    ),
    "TRUST_UNREADABLE": (
        "Папка доверенных сертификатов не читается.",
        "The folder of trusted certificates cannot be read.",
    ),
    "KEY_UNREADABLE": (
        "Закрытый ключ не читается: неверный пароль или повреждённый файл.",
        "The private key cannot be read: wrong password or damaged file.",
    ),
    "SEAL_MISSING": (
        "У организации нет ключа или сертификата печати.",
        "The organisation has no seal key or certificate here.",
    ),
    "SEAL_MISMATCH": (
        "Ключ печати и её сертификат не подходят друг к другу.",
        "The seal's key and certificate do not belong together.",
    ),
    "TOKEN_URI": (
        "Адрес ключа в токене неверен: нужен pkcs11:token=...;object=...?module-path=/...&pin-source=file:/...",
        "The token address is wrong: pkcs11:token=...;object=...?module-path=/...&pin-source=file:/... is needed.",
    ),
    "TOKEN_UNAVAILABLE": (
        "Токен с ключом печати недоступен: нет модуля, токена или верного PIN-кода.",
        "The token with the seal's key is not available: no module, no token, or a wrong PIN.",
    ),
    "TOKEN_KEY": (
        "В токене нет единственного подходящего ключа (P-256 или RSA от 2048 бит).",
        "The token does not hold exactly one fitting key (P-256, or RSA from 2048 bits).",
    ),
    # The package
    "PACKAGE_FORMAT": ("Пакет не читается ({what}).", "The package cannot be read ({what})."),
    "PACKAGE_TOO_LARGE": (
        "Пакет больше допустимого предела.",
        "The package is larger than allowed.",
    ),
    "PACKAGE_NAME": (
        "В пакете файл с недопустимым именем: {name}.",
        "The package holds a file with a forbidden name: {name}.",
    ),
    "PACKAGE_DUPLICATE": (
        "В пакете два файла с одним именем: {name}.",
        "The package holds two files of one name: {name}.",
    ),
    "PACKAGE_MISSING": ("В пакете нет файла {name}.", "The package lacks the file {name}."),
    "PACKAGE_REPACKED": (
        "Пакет изменён или перепакован после создания.",
        "The package was altered or repacked after it was written.",
    ),
    "MANIFEST_OK": (
        "Опись пакета совпадает с его содержимым.",
        "The package manifest agrees with its contents.",
    ),
    "MANIFEST_FORMAT": ("Опись пакета не читается.", "The package manifest cannot be read."),
    "MANIFEST_MISMATCH": (
        "Файл {name} не совпадает с описью пакета.",
        "The file {name} does not agree with the package manifest.",
    ),
    "MANIFEST_SEALER": (
        "Опись пакета подписана не той организацией, что протокол.",
        "The manifest is signed by another certificate than the organisation's seal.",
    ),
    "SEAL_OTHER_ORGANISATION": (
        "Пакет запечатан не той организацией, которая названа в документе.",
        "The package is sealed by another organisation than the document names.",
    ),
    "DOCUMENT_NOT_PLAIN": (
        "Документ содержит указания программе просмотра: показано может быть не то, что подписано.",
        "The document carries instructions to a viewer: what is shown may not be what was signed.",
    ),
    "SIGNER_NOT_NAMED": (
        "Подписавший не назван в документе.",
        "The signer is not named in the document.",
    ),
    "SIGNATURE_DUPLICATION": (
        "Один и тот же человек подписал дважды.",
        "The same person signed twice.",
    ),
    "ORG_BEFORE_PERSON": (
        "Организация подписала раньше врача.",
        "The organisation signed before a doctor did.",
    ),
    "EVIDENCE_CERT": (
        "Сертификат подписавшего не приложен к доказательствам.",
        "The signer's certificate is missing from the evidence.",
    ),
    "VERIFY_OK": (
        "Команды для самостоятельной проверки соответствуют файлам пакета.",
        "The commands for checking by hand are those of this package's files.",
    ),
    "VERIFY_TEXT": (
        "Текст с командами проверки не тот, который составлен по файлам пакета.",
        "The text with the commands is not the one that belongs to this package's files.",
    ),
    "POLICY_UNKNOWN": (
        "Пакет называет неизвестную политику подписи: {policy}.",
        "The package names a signature policy that is not known: {policy}.",
    ),
    "ARCHIVE_NOT_HELD": (
        "Пакет не продлён: он не проходит проверку ({codes}).",
        "The package was not renewed: it does not hold ({codes}).",
    ),
    # The journal inside the package
    "JOURNAL_OK": (
        "Журнал цел: цепочки пересчитаны (записей {rows}, цепочек {streams}), документ и подписи в нём те же.",
        "The journal is whole: chains recomputed (events {rows}, chains {streams}), same document and signatures.",
    ),
    "JOURNAL_FORMAT": (
        "Строка {line} журнала в пакете не читается или записана не по форме.",
        "Line {line} of the journal in the package cannot be read or is not in its one form.",
    ),
    "JOURNAL_NUMBER": (
        "В журнале пакета пропущена или переставлена запись ({kind}, на месте записи {number}).",
        "An event of the journal in the package is missing or out of place ({kind}, where event {number} stands).",
    ),
    "JOURNAL_CHAIN": (
        "Цепочка журнала в пакете разорвана ({kind}, запись {number}).",
        "The chain of the journal in the package is broken ({kind}, event {number}).",
    ),
    "JOURNAL_HASH": (
        "Запись журнала в пакете изменена ({kind}, запись {number}).",
        "An event of the journal in the package was changed ({kind}, event {number}).",
    ),
    "JOURNAL_PAYLOAD": (
        "Содержание записи журнала в пакете не то, которое в цепочке ({kind}, запись {number}).",
        "What an event of the journal in the package says is not what the chain holds ({kind}, event {number}).",
    ),
    "JOURNAL_TIME": (
        "Время в журнале пакета идёт назад или не читается ({kind}, запись {number}).",
        "Time in the journal of the package runs backwards or cannot be read ({kind}, event {number}).",
    ),
    "JOURNAL_CUT": (
        "Журнал в пакете не тот или обрезан: он должен вести к последней подписи одного протокола.",
        "The journal in the package is another one or cut short: it must lead to the last signature of one protocol.",
    ),
    "JOURNAL_DOCUMENT": (
        "Журнал в пакете рассказывает о другом документе.",
        "The journal in the package is about another document.",
    ),
    "JOURNAL_SIGNATURE": (
        "Подписи пакета и журнал расходятся: {name}.",
        "The package's signatures and its journal disagree: {name}.",
    ),
    "JOURNAL_VOTES": (
        "Итог голосования в журнале пакета не сходится с поданными голосами.",
        "The result of a vote in the journal of the package does not agree with the votes that were cast.",
    ),
    "JOURNAL_FORK": (
        "Два пакета по-разному рассказывают об одном и том же ({kind} {id}).",
        "Two packages tell different histories of the same thing ({kind} {id}).",
    ),
    # An act of annulment beside the package
    "ANNULLED": (
        "Документ аннулирован актом {number}, действует с {since}: пакет цел, но документ не имеет силы.",
        "The document was annulled by act {number}, in force since {since}: the package is whole, the document void.",
    ),
    "ACT_LATER": (
        "На этот момент документ действовал; позднее аннулирован актом {number}, с {since}.",
        "At that moment the document was in force; it was annulled later by act {number}, since {since}.",
    ),
    "ACT_OTHER": (
        "Этот пакет держится, но документа не аннулирует.",
        "This package holds, and does not annul the document.",
    ),
    "ACT_NOT_HELD": (
        "Этот пакет не проходит проверку ({codes}), поэтому ничего не аннулирует.",
        "This package does not hold ({codes}), so it annuls nothing.",
    ),
    "ACT_ORGANISATION": (
        "Акт скреплён не той организацией (или не тем её представителем), что документ, поэтому ничего не аннулирует.",
        "The act is sealed by another organisation, or another representative, than the document: it annuls nothing.",
    ),
    # Timestamps over the whole package
    "TIME_UNPROVEN": (
        "Время не доказано: более поздняя метка времени, от которой оно зависит, не верна.",
        "The time is not proven: the later timestamp it depends on does not hold.",
    ),
    "TST_LOOSE": (
        "Метка времени записана не так, как она хранится в пакете.",
        "The timestamp is not in the one form that a package keeps.",
    ),
    "TST_DIGEST_ENDED": (
        "Функция хеширования {algorithm} не считается надёжной с {since}, а пакет до этого не продлён.",
        "The digest {algorithm} is not trusted since {since}, and the package was not renewed before.",
    ),
    "DISSENT_FORMAT": (
        "Особое мнение не читается.",
        "The dissenting opinion cannot be read.",
    ),
    "DISSENT_OTHER_PROTOCOL": (
        "Особое мнение относится к другому протоколу.",
        "The dissenting opinion belongs to another protocol.",
    ),
} | TIME_REASONS


def sentence(code: str, lang: str, params: Mapping[str, object] | None = None) -> str:
    """The sentence of a code in ``ru`` or ``en``; a missing parameter is shown as a dash."""
    russian, english = REASONS[code]
    template = russian if lang == "ru" else english
    shown = {name: _shown(value, lang) for name, value in (params or {}).items()}
    return template.format_map(_Shown(shown))


def _shown(value: object, lang: str) -> object:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return f"{moment:%d.%m.%Y %H:%M:%S} UTC" if lang == "ru" else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return value


class _Shown(dict[str, object]):
    """Parameters of a sentence; a refusal must never fail because a detail is missing."""

    def __missing__(self, key: str) -> str:
        return "-"
