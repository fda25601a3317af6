"""What the registry checks before it accepts: the cheap part of РЭМД's own list (НСИ 99.2.305).

Everything here is about bytes and structure. Chains, revocation, ФРМР and ФРМО are not simulated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from asn1crypto import cms, core
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import load_der_x509_certificate
from lxml import etree

from consilium.filing.wire import ErrorDto, Registration, SignatureDto

# Codes of 11.1520 this registry takes: consilium, oncological consilium, telemedicine consultation. A table of its own,
# so that a mistake in the product's cannot hide here.
KINDS = frozenset({"307", "190", "40"})
SNILS_KINDS = frozenset({"190"})  # "обязательны с указанием СНИЛС" in 11.1520
CLOCK_SLACK = timedelta(minutes=5)
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def error(code: str, number: int, message: str) -> ErrorDto:
    """One coded error."""
    return ErrorDto(code=code, number=number, message=message)


def metadata_errors(one: Registration, at: datetime, *, own_signers_only: bool) -> list[ErrorDto]:
    """What is wrong with a registration before the document is seen."""
    return list(_metadata(one, at, own_signers_only=own_signers_only))


def _metadata(one: Registration, at: datetime, *, own_signers_only: bool) -> Iterator[ErrorDto]:
    if one.kind.code not in KINDS:
        yield error("OBJECT_NOT_FOUND", 26, f"Вид документа {one.kind.code} не найден")
    if one.creation_date_time > at + CLOCK_SLACK:
        yield error("WRONG_CREATION_DATE", 47, "Дата создания документа больше даты регистрации")
    if not one.personal_signatures:
        yield error("NO_SIGNATURE", 21, "Отсутствуют подписи документа")
    if one.org_signature is None:
        yield error("ORG_SIGNATURE_OCCURRENCE_MISMATCH", 28, "Отсутствует подпись организации")
    if one.kind.code in SNILS_KINDS and not one.patient.snils:
        yield error("NO_SNILS", 22, "Для вида документа обязателен СНИЛС пациента")
    foreign = [s for s in one.personal_signatures if s.signer.organization != one.organization]
    if own_signers_only and foreign:
        yield error("SIGNER_ORG_MISMATCH", 43, "Организация подписанта отлична от регистрирующей")


def document_errors(one: Registration, document: bytes) -> list[ErrorDto]:
    """What is wrong with the document and its signatures, once the bytes are here."""
    found = list(_digests(one, document))
    signatures = [personal.signature for personal in one.personal_signatures]
    if one.org_signature:
        signatures.append(one.org_signature)
    if len({signature.data for signature in signatures}) != len(signatures):
        found.append(error("SIGNATURE_DUPLICATION", 51, "Дублирование подписи"))
    for signature in signatures:
        found += signature_errors(signature, document)
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


def signature_errors(signature: SignatureDto, document: bytes) -> list[ErrorDto]:
    """One container: parsable, detached, one signer with his certificate, over these very bytes."""
    try:
        info = cms.ContentInfo.load(signature.data, strict=True)
        if info["content_type"].native != "signed_data":
            return [error("WRONG_SIGNATURE_FORMAT", 53, "Неподдерживаемый формат ЭП")]
        return _signed_data(info["content"], document)
    except (ValueError, TypeError, KeyError):
        return [error("SIGNATURE_DECODING_ERROR", 41, "Ошибка декодирования ЭП")]


def _signed_data(data: cms.SignedData, document: bytes) -> list[ErrorDto]:
    if len(data["signer_infos"]) != 1:
        return [error("MULTIPLE_SIGNERS", 52, "В контейнере ЭП указано более одного подписанта")]
    if data["encap_content_info"]["content"].native is not None:
        return [error("WRONG_SIGNATURE_FORMAT", 53, "ЭП не отсоединённая")]
    signer = data["signer_infos"][0]
    certificate = _certificate(data, signer)
    if certificate is None:
        return [error("NO_END_ENTITY_CERTIFICATE", 18, "В ЭП отсутствует сертификат проверки подписи")]
    attributes = {one["type"].native: one["values"] for one in signer["signed_attrs"]}
    if "signing_time" not in attributes:
        return [error("WRONG_SIGNATURE_FORMAT", 53, "Отсутствует атрибут даты и времени создания")]
    name = signer["digest_algorithm"]["algorithm"].native
    if name not in _HASHES:
        return [error("UNKNOWN_ALGORITHM", 44, "Неподдерживаемый алгоритм подписи")]
    if attributes["message_digest"][0].native != hashlib.new(name, document).digest():
        return [error("DIGEST_MISMATCH", 6, "Подпись сделана для другого документа")]
    return _verify(signer, certificate, _HASHES[name])


def _certificate(data: cms.SignedData, signer: cms.SignerInfo) -> bytes | None:
    """The certificate the signer names by issuer and serial number."""
    wanted = signer["sid"].chosen
    for one in data["certificates"] if data["certificates"].native else []:
        found = one.chosen
        if (
            isinstance(wanted, cms.IssuerAndSerialNumber)
            and found.serial_number == wanted["serial_number"].native
            and found.issuer == wanted["issuer"]
        ):
            return bytes(found.dump())
    return None


def _verify(signer: cms.SignerInfo, certificate: bytes, algorithm: hashes.HashAlgorithm) -> list[ErrorDto]:
    # RFC 5652 5.4: what is signed is the SET OF encoding, not the [0] that stands in the message.
    signed = core.SetOf.dump(signer["signed_attrs"].untag(), force=True)
    value = signer["signature"].native
    try:
        key = load_der_x509_certificate(certificate).public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(value, signed, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(value, signed, padding.PKCS1v15(), algorithm)
        else:
            return [error("UNKNOWN_ALGORITHM", 44, "Неподдерживаемый алгоритм подписи")]
    except InvalidSignature:
        return [error("SIGNATURE_VERIFICATION_ERROR", 42, "Подпись не верна")]
    except UnsupportedAlgorithm:
        return [error("UNKNOWN_ALGORITHM", 44, "Неподдерживаемый алгоритм подписи")]
    return []


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


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _extension(root: etree._Element, path: str) -> str:
    found = root.find(path)
    return str(found.get("extension", "")) if found is not None else ""
