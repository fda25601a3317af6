"""What the registry checks before it accepts: what РЭМД is known to check (НСИ 99.2.305), as far as bytes can tell.

Metadata, ties between documents, and the document with what it says of its signers; `signatures.py` looks into the
containers. Chains, revocation, ФРМР, ФРМО and the rules of roles (99.2.42 is not published) are not simulated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from lxml import etree

from consilium.filing.wire import REPLACES, ErrorDto, PersonalSignatureDto, Registration
from web.simulator.archive import Archive
from web.simulator.signatures import Facts, error, signature_errors

SNILS_ROOT = "1.2.643.100.3"
CLOCK_SLACK = timedelta(minutes=5)


class Kind(NamedTuple):
    """A row of 11.1520: from which day to which, whether the patient's СНИЛС and the organisation's signature must be."""

    starts: date
    ends: date | None = None
    snils: bool = False
    seal: bool = True


# A table of its own, so that a mistake in the product's cannot hide here. Days: regulation 4.1.
KINDS: dict[str, Kind] = {
    "307": Kind(date(2025, 11, 17)),
    "190": Kind(date(2023, 8, 14), snils=True),
    "40": Kind(date(2019, 11, 30)),
    "160": Kind(date(2023, 8, 28), snils=True),
    "99": Kind(date(2021, 11, 4), snils=True),
    "158": Kind(date(2023, 8, 28), snils=True),
    "312": Kind(date(2025, 11, 17), snils=True),
    "334": Kind(date(2026, 8, 10), snils=True),
    "85": Kind(date(2021, 1, 1)),
    "185": Kind(date(2023, 8, 14)),
    "206": Kind(date(2023, 12, 1)),
    "255": Kind(date(2024, 7, 23)),
    "311": Kind(date(2026, 4, 10)),
}


def metadata_errors(one: Registration, at: datetime, *, own_signers_only: bool) -> list[ErrorDto]:
    """What is wrong with a registration before the document is seen."""
    return list(_metadata(one, at, own_signers_only=own_signers_only))


def _metadata(one: Registration, at: datetime, *, own_signers_only: bool) -> Iterator[ErrorDto]:
    kind = KINDS.get(one.kind.code)
    day = one.creation_date_time.date()
    if kind is None:
        yield error("OBJECT_NOT_FOUND", 26, f"Вид документа {one.kind.code} не найден")
    elif day < kind.starts or (kind.ends and day >= kind.ends):
        yield error("NO_DOCUMENT_KIND_ON_DATE", 17, "Дата создания документа вне периода вида")
    if one.creation_date_time > at + CLOCK_SLACK:
        yield error("WRONG_CREATION_DATE", 47, "Дата создания документа больше даты регистрации")
    if not one.personal_signatures:
        yield error("NO_SIGNATURE", 21, "Отсутствуют подписи документа")
    if one.org_signature is None and (kind is None or kind.seal):
        yield error("ORG_SIGNATURE_OCCURRENCE_MISMATCH", 28, "Отсутствует подпись организации")
    yield from _patient(one, snils=kind is not None and kind.snils)
    yield from _signers(one, own_signers_only=own_signers_only)


def _patient(one: Registration, *, snils: bool) -> Iterator[ErrorDto]:
    if snils and not one.patient.snils:
        yield error("NO_SNILS", 22, "Для вида документа обязателен СНИЛС пациента")
    if not one.patient.surname:
        yield error("PATIENT_SURNAME_NOT_FOUND", 99, "Фамилия пациента обязательна")
    if not one.patient.name:
        yield error("PATIENT_NAME_NOT_FOUND", 98, "Имя пациента обязательно")


def _signers(one: Registration, *, own_signers_only: bool) -> Iterator[ErrorDto]:
    signers = [personal.signer for personal in one.personal_signatures]
    if any(not signer.role.code or not signer.position.code for signer in signers):
        yield error("VALIDATION_ERROR", 49, "У подписанта нет роли или должности")
    if own_signers_only and any(signer.organization != one.organization for signer in signers):
        yield error("SIGNER_ORG_MISMATCH", 43, "Организация подписанта отлична от регистрирующей")


def tie_errors(one: Registration, archive: Archive) -> list[ErrorDto]:
    """What is wrong with the documents this one is tied to."""
    found = []
    for tie in one.associations:
        target = archive.by_local_uid(str(tie.target))
        if tie.type != REPLACES:
            found.append(error("OBJECT_NOT_FOUND", 26, f"Тип связи {tie.type} не найден"))
        elif target is None or target.status != "accepted":
            found.append(error("REGISTRY_ITEM_NOT_FOUND", 37, "Прежняя версия не зарегистрирована"))
        elif target.registration.organization != one.organization:
            found.append(error("CAN_NOT_ASSOCIATE", 3, "Прежняя версия другой организации"))
        elif (later := archive.successor(str(tie.target))) and later.key != one.idempotency_key:
            found.append(error("NOT_UNIQUE_ASSOCIATION", 24, "Прежнюю версию уже сменила другая"))
    return found


def document_errors(one: Registration, document: bytes, received: datetime, at: datetime) -> list[ErrorDto]:
    """What is wrong with the document and its signatures, once the bytes are here."""
    found = list(_digests(one, document))
    signatures = [personal.signature for personal in one.personal_signatures]
    if one.org_signature:
        signatures.append(one.org_signature)
    if len({signature.data for signature in signatures}) != len(signatures):
        found.append(error("SIGNATURE_DUPLICATION", 51, "Дублирование подписи"))
    facts = Facts(document=document, created=one.creation_date_time, received=received, at=at)
    times = []
    for personal in one.personal_signatures:
        signed, errors = signature_errors(personal.signature, facts, personal.signer)
        found += errors
        times += [signed] if signed else []
    if one.org_signature:
        sealed, errors = signature_errors(one.org_signature, facts, None)
        found += errors
        if sealed and times and max(times) > sealed:
            found.append(error("VALIDATION_ERROR", 49, "Подпись организации сделана раньше подписи врача"))
    return found + list(_content(one, document))


def _digests(one: Registration, document: bytes) -> Iterator[ErrorDto]:
    digest = hashlib.sha256(document).hexdigest()
    sums = {personal.signature.checksum for personal in one.personal_signatures}
    sums |= {one.org_signature.checksum} if one.org_signature else set()
    if len(sums) > 1:
        yield error("INCONSISTENT_DIGESTS", 10, "ЭП от разных документов")
    if one.document_digest != digest or sums - {digest}:
        yield error(
            "DIGEST_MISMATCH", 6, "Хеш-сумма полученного документа не соответствует зарегистрированной"
        )


def _content(one: Registration, document: bytes) -> Iterator[ErrorDto]:
    try:
        root = etree.fromstring(document, _parser())
    except etree.XMLSyntaxError:
        yield error("INVALID_CONTENT", 13, "Формат файла не соответствует требованиям вида документов")
        return
    if _extension(root, "{*}id") != str(one.local_uid):
        yield error("ATTRIBUTE_MISMATCH", 2, "Идентификатор в документе отличается от переданного")
    authenticator = _extension(root, "{*}legalAuthenticator/{*}assignedEntity/{*}id")
    if authenticator not in {personal.signer.local_id for personal in one.personal_signatures}:
        yield error(
            "LEGAL_AUTHENTICATOR_NOT_FOUND", 109, "Придавший документу юридическую силу не найден в запросе"
        )
    for personal in one.personal_signatures:
        yield from _doctor(root, personal)


def _doctor(root: etree._Element, personal: PersonalSignatureDto) -> Iterator[ErrorDto]:
    """The signer as the document names him: same id, name and СНИЛС."""
    said = personal.signer
    entities = (
        *root.iterfind("{*}documentationOf/{*}serviceEvent/{*}performer/{*}assignedEntity"),
        *root.iterfind("{*}author/{*}assignedAuthor"),
        *root.iterfind("{*}legalAuthenticator/{*}assignedEntity"),
    )
    named = [one for one in entities if _extension(one, "{*}id") == said.local_id]
    if not named:
        yield error("INVALID_DOCTOR_INFO", 110, "Подписавший не найден в СЭМД")
        return
    entity = named[0]
    snils = {
        str(one.get("extension", "")) for one in entity.findall("{*}id") if one.get("root") == SNILS_ROOT
    }
    if said.snils and snils and said.snils not in snils:
        yield error("INVALID_DOCTOR_SNILS", 112, "СНИЛС подписавшего отличается от СНИЛС в СЭМД")
    family, given, patronymic = _named(entity)
    rows = (
        (family, said.surname, "INVALID_DOCTOR_FAMILY", 106),
        (given, said.name, "INVALID_DOCTOR_NAME", 107),
        (patronymic, said.patr_name, "INVALID_DOCTOR_PATRONYMIC", 108),
    )
    for written, word, code, number in rows:
        if written != word:
            yield error(code, number, "Сведения о подписавшем отличаются от сведений в СЭМД")


def _named(entity: etree._Element) -> tuple[str, str, str]:
    """Surname, name, patronymic; guide 40 has no element of the last and writes it as a second given name."""
    path = "{*}assignedPerson/{*}name/{*}"
    given = [str(one.text or "") for one in entity.findall(f"{path}given")]
    patronymic = str(entity.findtext(f"{path}Patronymic") or "")
    return (
        str(entity.findtext(f"{path}family") or ""),
        given[0] if given else "",
        patronymic or (given[1] if len(given) > 1 else ""),
    )


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _extension(root: etree._Element, path: str) -> str:
    found = root.find(path)
    return str(found.get("extension", "")) if found is not None else ""
