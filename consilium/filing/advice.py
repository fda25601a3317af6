"""What each code of the registry means for the people here, as data: who acts, and a sentence in both languages.

The codes are those of НСИ 1.2.643.5.1.13.13.99.2.305 (version 3.18, 127 rows); the sentences are ours. Every code has a
row of its own choice here: `codes.advice` sends one that is unknown even to this table to the administrator, so that
nothing is ever repeated blindly. Which codes are worth a repetition is inference (regulation 5.1): the dictionary
does not say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Remedy(StrEnum):
    """Who acts next."""

    RETRY = "retry"
    FIX_DATA = "fix_data"
    SIGN_AGAIN = "sign_again"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Advice:
    """A remedy with a sentence for the person, in both languages."""

    remedy: Remedy
    ru: str
    en: str


_WAIT = Advice(
    Remedy.RETRY,
    "Временный сбой на стороне реестра. Система повторит отправку сама, делать ничего не нужно.",
    "A temporary failure of the registry. The system sends again by itself; nothing needs to be done.",
)
_PULL = Advice(
    Remedy.RETRY,
    "Реестр не смог забрать файл документа. Система повторит отправку; если ошибка останется, администратору "
    "нужно проверить адрес, по которому реестр обращается к системе.",
    "The registry could not fetch the document. The system sends again; if it stays, the administrator checks the "
    "address under which the registry reaches the system.",
)
_DOCTOR = Advice(
    Remedy.FIX_DATA,
    "Данные врача расходятся с регистром медицинских работников или с документом. Кадровая служба сверяет фамилию, "
    "СНИЛС и должность в профиле врача, затем протокол выпускается новой версией.",
    "A doctor's data differ from the register of medical workers or from the document. The personnel office compares "
    "surname, СНИЛС and post in the profile; then the protocol is issued as a new version.",
)
_POST = Advice(
    Remedy.FIX_DATA,
    "Должность, специальность или роль врача не подходит для подписи этого документа. Координатор проверяет роль "
    "участника и должность в профиле, затем протокол выпускается новой версией.",
    "A doctor's post, speciality or role does not allow signing this document. The coordinator checks the "
    "participant's role and the post in the profile; then the protocol is issued as a new version.",
)
_PATIENT = Advice(
    Remedy.FIX_DATA,
    "Данные пациента неполны или расходятся с федеральным регистром. Направивший врач сверяет ФИО, дату рождения и "
    "СНИЛС, затем протокол выпускается новой версией.",
    "The patient's data are incomplete or differ from the federal register. The requesting doctor checks name, date "
    "of birth and СНИЛС; then the protocol is issued as a new version.",
)
_ADDRESS = Advice(
    Remedy.FIX_DATA,
    "Адрес не найден в ФИАС или противоречив. Координатор исправляет адрес, затем протокол выпускается новой версией.",
    "The address is not in ФИАС or contradicts itself. The coordinator corrects it; then the protocol is issued as a "
    "new version.",
)
_DICTIONARY = Advice(
    Remedy.ADMINISTRATOR,
    "Документ ссылается на справочник или версию, которых реестр не принимает. Администратор обновляет справочники "
    "НСИ, затем протокол выпускается новой версией.",
    "The document refers to a dictionary or version the registry does not accept. The administrator updates the "
    "dictionaries; then the protocol is issued as a new version.",
)
_FORMAT = Advice(
    Remedy.ADMINISTRATOR,
    "Формат документа не прошёл проверку реестра. Администратор передаёт ошибку разработчику: исправление на "
    "стороне врача невозможно.",
    "The document's format failed the registry's check. The administrator hands the error to the developer: a doctor "
    "cannot correct it.",
)
_SIGN = Advice(
    Remedy.SIGN_AGAIN,
    "Подпись не принята. Подписавший проверяет сертификат и подписывает новую версию протокола.",
    "A signature was not accepted. The signer checks his certificate and signs a new version of the protocol.",
)
_CERTIFICATE = Advice(
    Remedy.SIGN_AGAIN,
    "Сертификат подписавшего недействителен или выдан неаккредитованным центром. Подписавший получает действующий "
    "сертификат и подписывает новую версию протокола.",
    "The signer's certificate is not valid or not from an accredited authority. The signer gets a valid certificate "
    "and signs a new version of the protocol.",
)
_SIGNERS = Advice(
    Remedy.SIGN_AGAIN,
    "Состав подписей не соответствует правилам вида документа. Координатор сверяет роли подписавших и подпись "
    "организации, затем собираются подписи новой версии.",
    "The set of signatures does not follow the rules of the document kind. The coordinator compares the signers' "
    "roles and the organisation's signature; then a new version is signed.",
)
_BYTES = Advice(
    Remedy.ADMINISTRATOR,
    "Реестр получил не те байты, которые были подписаны. Администратор немедленно проверяет хранилище документов и "
    "канал связи; до этого документ не отправляется.",
    "The registry received other bytes than were signed. The administrator checks the document store and the "
    "channel at once; until then the document is not sent.",
)
_ACCESS = Advice(
    Remedy.ADMINISTRATOR,
    "Система или организация не допущена к реестру. Администратор проверяет регистрацию системы и организации в "
    "РЭМД и ФРМО.",
    "The system or the organisation is not admitted to the registry. The administrator checks their registration in "
    "РЭМД and ФРМО.",
)
_FOREIGN = Advice(
    Remedy.ADMINISTRATOR,
    "Подписал врач другой организации, а у системы нет на это разрешения. Администратор запрашивает разрешение или "
    "меняет правило, какие подписи передаются; все подписи остаются в протоколе.",
    "A doctor of another organisation signed and the system lacks permission for that. The administrator asks for it "
    "or changes the rule of which signatures are sent; all signatures stay with the protocol.",
)
_DOUBLE = Advice(
    Remedy.ADMINISTRATOR,
    "Документ с таким идентификатором уже зарегистрирован. Администратор сверяет номер в реестре; повторно "
    "отправлять не нужно.",
    "A document with this id is registered already. The administrator compares the registry's number; it need not be "
    "sent again.",
)
_KIND = Advice(
    Remedy.ADMINISTRATOR,
    "Вид или редакция документа недопустимы на его дату. Администратор проверяет таблицу редакций документов.",
    "The kind or edition of the document is not allowed on its date. The administrator checks the table of editions.",
)
_DATES = Advice(
    Remedy.ADMINISTRATOR,
    "Дата документа позже даты регистрации. Администратор проверяет часы серверов.",
    "The document's date is later than its registration. The administrator checks the servers' clocks.",
)
UNKNOWN = Advice(
    Remedy.ADMINISTRATOR,
    "Реестр отклонил документ по причине, для которой нет готового совета. Администратор разбирает ответ реестра.",
    "The registry refused the document for a reason without ready advice. The administrator studies its answer.",
)

_NO_PREDECESSOR = Advice(
    Remedy.ADMINISTRATOR,
    "Реестр не нашёл запись, на которую ссылается документ: прежняя версия ещё не зарегистрирована. Администратор "
    "доводит до конца отправку прежней версии, затем отправляет эту снова.",
    "The registry has no entry this document refers to: the earlier version is not registered yet. The administrator "
    "sees the earlier version through, then sends this one again.",
)
_REMARK = Advice(
    Remedy.ADMINISTRATOR,
    "Замечание шлюза к данным запроса. Администратор читает слова реестра в истории отправки и решает, нужна ли "
    "повторная отправка.",
    "A remark of the gateway about the request. The administrator reads the registry's words in the history of this "
    "filing and decides whether to send again.",
)
_RECIPES = Advice(
    Remedy.ADMINISTRATOR,
    "Ответила система льготных рецептов (ФРЛЛО), куда протоколы не передаются. Администратор сообщает оператору "
    "реестра о неверной маршрутизации, затем отправляет снова.",
    "The system of subsidised prescriptions answered, where protocols are not sent. The administrator tells the "
    "registry's operator about the wrong routing, then sends again.",
)
_ORDERS = Advice(
    Remedy.ADMINISTRATOR,
    "Ответил сервис «Заказ справок онлайн», к протоколам он не относится. Администратор сообщает оператору реестра "
    "о неверной маршрутизации, затем отправляет снова.",
    "The service of certificates ordered online answered, which has nothing to do with protocols. The administrator "
    "tells the registry's operator about the wrong routing, then sends again.",
)

GROUPS: tuple[tuple[Advice, str], ...] = (
    (
        _WAIT,
        "ASYNC_RESPONSE_TIMEOUT CA_INACCESSIBILITY INTERNAL_ERROR PATIENT_ALREADY_REGISTERED PATIENT_CREATION_ERROR "
        "RATE_LIMIT RUNTIME_ERROR SCHEMA_PROCESSING_ERROR VALSYS_INTERNAL_ERROR VALSYS_REJECT XML_VALIDATOR_ERROR",
    ),
    (
        _PULL,
        "FILE_WAS_NOT_SENT GET_DOCUMENT_FILE_ERROR MIS_ERROR MIS_NOT_AVAILABLE RMIS_ERROR WRONG_MESSAGE_ID",
    ),
    (
        _DOCTOR,
        "INVALID_DOCTOR_FAMILY INVALID_DOCTOR_ID INVALID_DOCTOR_INFO INVALID_DOCTOR_NAME INVALID_DOCTOR_PATRONYMIC "
        "INVALID_DOCTOR_SNILS LEGAL_AUTHENTICATOR_NOT_FOUND PERSON_CARD_NOT_FOUND PERSON_NOT_FOUND "
        "VALUE_MISMATCH_METADATA_AND_CERTIFICATE VALUE_MISMATCH_METADATA_AND_FRMR",
    ),
    (_POST, "NO_ROLE_POLICY_ON_DATE NO_SPECIALITY PERSON_POST_IN_FRMR_MISMATCH POSITION_TO_ROLE_MISMATCH"),
    (
        _PATIENT,
        "DUPLICATE_PATIENT_FOUND NO_SNILS PATIENT_MPI_MISMATCH PATIENT_NAME_NOT_FOUND PATIENT_OCCURRENCE_MISMATCH PATIENT_SURNAME_NOT_FOUND RECEPIENT_FAMILY_MISMATCH "
        "RECEPIENT_INFO_MISMATCH RECEPIENT_NAME_MISMATCH RECEPIENT_PATRONYMIC_MISMATCH RECEPIENT_SNILS_MISMATCH",
    ),
    (_ADDRESS, "AOGUID_DIFFERENT AOGUID_NOT_FOUND HOUSEGUID_NOT_FOUND REGION_CODE_DIFFERENT"),
    (
        _DICTIONARY,
        "INVALID_DICTIONARY INVALID_DICTIONARY_MAPPING INVALID_DICTIONARY_OID INVALID_DICTIONARY_VERSION "
        "INVALID_ELEMENT_VALUE_CODE INVALID_ELEMENT_VALUE_NAME OBJECT_NOT_FOUND",
    ),
    (
        _FORMAT,
        "ATTRIBUTE_MISMATCH INVALID_CONTENT INVALID_DOC_CONTENT_TYPE INVALID_PLUGGABLE_ATTRS "
        "PLUGGABLE_ATTRS_OCCURRENCE_MISMATCH SERIES_REQUIRED SERIES_REQUIRED_WRONG_SERVICE_VERSION VALIDATION_ERROR "
        "XML_VALIDATION_ERROR",
    ),
    (
        _SIGN,
        "MULTIPLE_SIGNERS NO_END_ENTITY_CERTIFICATE SIGNATURE_DECODING_ERROR SIGNATURE_VERIFICATION_ERROR "
        "UNKNOWN_ALGORITHM WRONG_SIGNATURE_FORMAT",
    ),
    (
        _CERTIFICATE,
        "CANT_BUILD_CERT_CHAIN_TO_ACCREDITED_CA_CERT DOC_DATE_MISMATCH_CERT_NOT_AFTER "
        "DOC_DATE_MISMATCH_CERT_NOT_BEFORE INVALID_CERT_KEY_USAGE PERSONAL_SIG_CERT_NOT_ACTUAL_ON_CHECK_DT "
        "PERSONAL_SIG_CERT_NOT_ACTUAL_ON_DOC_CREATION_DT",
    ),
    (
        _SIGNERS,
        "NO_SIGNATURE ORG_SIGNATURE_OCCURRENCE_MISMATCH ROLE_OCCURRENCE_MISMATCH SIGNATURE_DUPLICATION",
    ),
    (_BYTES, "DIGEST_MISMATCH INCONSISTENT_DIGESTS"),
    (
        _ACCESS,
        "ACCESS_DENIED DISABLED_RMIS NO_DEPARTMENT NO_ORG_ON_DATE NO_RMIS ORG_NOT_FOUND_IN_FRMO "
        "RMIS_REGION_MISMATCH",
    ),
    (_FOREIGN, "SIGNER_ORG_MISMATCH"),
    (_DOUBLE, "NOT_UNIQUE_ASSOCIATION NOT_UNIQUE_PROVIDED_ID"),
    (_KIND, "CANT_REG_VERSION CAN_NOT_ASSOCIATE NO_DOCUMENT_KIND_ON_DATE RESTRICT_NEW_VERSION"),
    (_DATES, "WRONG_CREATION_DATE"),
    (_NO_PREDECESSOR, "REGISTRY_ITEM_NOT_FOUND"),
    (_REMARK, "IPS_VALIDATION_WARNING"),
    (
        _RECIPES,
        "FRLLO_BENEFIT_SOURCE_ERROR FRLLO_CITIZEN_BENEFIT_ERROR FRLLO_CITIZEN_IDENTIFY_ERROR "
        "FRLLO_CITIZEN_REGION_ERROR FRLLO_CITIZEN_SEARCH_ERROR FRLLO_COMISSION_INFO_ERROR FRLLO_DIC_ERROR "
        "FRLLO_EXPIRE_DATE_ERROR FRLLO_NOT_CORRECT_TYPE FRLLO_ORGANIZATION_ERROR FRLLO_RECIPE_DATE_ERROR "
        "FRLLO_RECIPE_IDENTIFY_ERROR FRLLO_RECIPE_POSITION_ERROR FRLLO_RELEASE_ORGANIZATION_ERROR "
        "FRLLO_RELISE_DATE_ERROR FRLLO_RELISE_POSITION_ERROR FRLLO_RELISE_QTY_ERROR FRLLO_REQUIRED_CITIZEN_ERROR "
        "FRLLO_REQUIRED_IDENTIFY_ERROR FRLLO_SEMD_FLK_ERROR FRLLO_TRANSPORT_ERROR FRLLO_UNKNOWN_SYSTEM "
        "FRLLO_VALIDATION_ERROR",
    ),
    (
        _ORDERS,
        "ADDITIONAL_INFO_REQUIRED NOT_UNIQUE_ITEM ORDER_ALREADY_PROCESSED ORDER_NOT_FOUND PATIENT_NOT_FOUND "
        "TIME_EXPIRED_ERROR",
    ),
)
ADVICE: dict[str, Advice] = {code: advice for advice, codes in GROUPS for code in codes.split()}

# What happens before the registry ever judged the document (state machine's reasons).
OURS: dict[str, Advice] = {
    "registry_unavailable": _WAIT,
    "registry_forgot": _WAIT,
    "registry_silent": Advice(
        Remedy.ADMINISTRATOR,
        "Реестр не ответил за пятнадцать дней. Администратор связывается с оператором реестра и отправляет снова.",
        "The registry has not answered for fifteen days. The administrator contacts its operator and sends again.",
    ),
    "registry_broken": Advice(
        Remedy.ADMINISTRATOR,
        "Ответ реестра не удалось разобрать. Администратор проверяет адрес реестра и версию его интерфейса.",
        "The registry's answer could not be understood. The administrator checks its address and interface version.",
    ),
    "registry_number_taken": Advice(
        Remedy.ADMINISTRATOR,
        "Реестр назвал номер, который уже дал другому документу. Администратор выясняет это у оператора реестра и "
        "отправляет снова.",
        "The registry named a number that it gave to another document before. The administrator clears that up with its "
        "operator and sends again.",
    ),
    "registry_access_denied": _ACCESS,
    "registry_not_set": Advice(
        Remedy.ADMINISTRATOR,
        "Реестр не настроен: документ лежит в папке выгрузки и будет отправлен, как только администратор задаст адрес.",
        "No registry is set: the document lies in the export folder and is sent as soon as the administrator sets the "
        "address.",
    ),
    "annulled": Advice(
        Remedy.ADMINISTRATOR,
        "Документ аннулирован раньше, чем попал в реестр, и больше не отправляется.",
        "The document was annulled before the registry had it, and is sent no more.",
    ),
    "signer_not_in_document": _FORMAT,
    "not_filed": _FORMAT,
}
for _code in ("redirect", "answer_too_large", "address", "fault", "profile"):
    OURS[f"registry_{_code}"] = OURS["registry_broken"]
