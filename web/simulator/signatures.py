"""What the registry checks of one signature container, with a parser that is not the product's; ГОСТ by its engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import cms, core
from asn1crypto import x509 as asn1
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import load_der_x509_certificate

from consilium.filing.wire import ErrorDto, SignatureDto, SignerDto
from consilium.seal import gost
from consilium.seal.errors import SignatureRefused
from consilium.seal.keys import public_key

SNILS = "1.2.643.100.3"
SURNAME = "2.5.4.4"
GIVEN = "2.5.4.42"
CLOCK_SLACK = timedelta(minutes=5)
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# ГОСТ Р 34.11-2012; Python's own cryptography has neither these nor the signatures over them.
_STREEBOG = {"1.2.643.7.1.1.2.2": "streebog256", "1.2.643.7.1.1.2.3": "streebog512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a signature is held against: the bytes, when they were made, when the request came, what time it is."""

    document: bytes
    created: datetime
    received: datetime
    at: datetime


def error(code: str, number: int, message: str) -> ErrorDto:
    """One coded error."""
    return ErrorDto(code=code, number=number, message=message)


def signature_errors(
    signature: SignatureDto, facts: Facts, signer: SignerDto | None
) -> tuple[datetime | None, list[ErrorDto]]:
    """When it was made, and what is wrong with it. Parsable, detached, one signer with his certificate, these bytes.

    `signer` is None for the organisation's.
    """
    try:
        info = cms.ContentInfo.load(signature.data, strict=True)
        if info["content_type"].native != "signed_data":
            return None, [error("WRONG_SIGNATURE_FORMAT", 53, "Неподдерживаемый формат ЭП")]
        return _signed_data(info["content"], facts, signer)
    except (ValueError, TypeError, KeyError):
        return None, [error("SIGNATURE_DECODING_ERROR", 41, "Ошибка декодирования ЭП")]


def _signed_data(
    data: cms.SignedData, facts: Facts, signer: SignerDto | None
) -> tuple[datetime | None, list[ErrorDto]]:
    if len(data["signer_infos"]) != 1:
        return None, [error("MULTIPLE_SIGNERS", 52, "В контейнере ЭП указано более одного подписанта")]
    if data["encap_content_info"]["content"].native is not None:
        return None, [error("WRONG_SIGNATURE_FORMAT", 53, "ЭП не отсоединённая")]
    info = data["signer_infos"][0]
    certificate = _certificate(data, info)
    if certificate is None:
        return None, [error("NO_END_ENTITY_CERTIFICATE", 18, "В ЭП отсутствует сертификат проверки подписи")]
    attributes = {one["type"].native: one["values"] for one in info["signed_attrs"]}
    if "signing_time" not in attributes:
        return None, [error("WRONG_SIGNATURE_FORMAT", 53, "Отсутствует атрибут даты и времени создания")]
    signed = attributes["signing_time"][0].native.astimezone(UTC)
    name = info["digest_algorithm"]["algorithm"].native
    if name not in _HASHES and name not in _STREEBOG:
        return signed, [error("UNKNOWN_ALGORITHM", 44, "Неподдерживаемый алгоритм подписи")]
    if attributes["message_digest"][0].native != _hashed(name, facts.document):
        return signed, [error("DIGEST_MISMATCH", 6, "Подпись сделана для другого документа")]
    broken = _verify(info, certificate, name)
    return signed, broken or [
        *_times(certificate, signed, facts),
        *_usage(certificate),
        *_name(certificate, signer),
    ]


def _certificate(data: cms.SignedData, signer: cms.SignerInfo) -> asn1.Certificate | None:
    """The certificate the signer names by issuer and serial number."""
    wanted = signer["sid"].chosen
    # Not `.native`: that would read every key, and asn1crypto knows none of ГОСТ Р 34.10-2012.
    for one in data["certificates"] or []:
        found = one.chosen
        if (
            isinstance(wanted, cms.IssuerAndSerialNumber)
            and found.serial_number == wanted["serial_number"].native
            and found.issuer == wanted["issuer"]
        ):
            return found
    return None


def _hashed(name: str, content: bytes) -> bytes:
    streebog = _STREEBOG.get(name)
    return gost.digest(streebog, content) if streebog else hashlib.new(name, content).digest()


def _verify(signer: cms.SignerInfo, certificate: asn1.Certificate, name: str) -> list[ErrorDto]:
    # RFC 5652 5.4: what is signed is the SET OF encoding, not the [0] that stands in the message.
    signed = core.SetOf.dump(signer["signed_attrs"].untag(), force=True)
    value = signer["signature"].native
    try:
        true = _true(certificate, signed, value, name)
    except (UnsupportedAlgorithm, SignatureRefused):
        true = None
    if true is None:
        return [error("UNKNOWN_ALGORITHM", 44, "Неподдерживаемый алгоритм подписи")]
    return [] if true else [error("SIGNATURE_VERIFICATION_ERROR", 42, "Подпись не верна")]


def _true(certificate: asn1.Certificate, signed: bytes, value: bytes, name: str) -> bool | None:
    """Whether the mathematics holds; None for a key of another sort."""
    if name in _STREEBOG:
        spki: bytes = certificate["tbs_certificate"]["subject_public_key_info"].dump()
        return public_key(spki).verify(signed, value, _STREEBOG[name])
    key = load_der_x509_certificate(certificate.dump()).public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(value, signed, ec.ECDSA(_HASHES[name]))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(value, signed, padding.PKCS1v15(), _HASHES[name])
        else:
            return None
    except InvalidSignature:
        return False
    return True


def _times(certificate: asn1.Certificate, signed: datetime, facts: Facts) -> list[ErrorDto]:
    found = []
    if facts.created > certificate.not_valid_after:
        found.append(
            error("DOC_DATE_MISMATCH_CERT_NOT_AFTER", 8, "Документ создан позже окончания сертификата")
        )
    if facts.created < certificate.not_valid_before and signed < certificate.not_valid_before:
        found.append(
            error("DOC_DATE_MISMATCH_CERT_NOT_BEFORE", 9, "Документ создан раньше начала сертификата")
        )
    if facts.at > certificate.not_valid_after:
        found.append(
            error(
                "PERSONAL_SIG_CERT_NOT_ACTUAL_ON_CHECK_DT", 125, "Сертификат недействителен на дату проверки"
            )
        )
    if signed > facts.received + CLOCK_SLACK:
        found.append(error("VALIDATION_ERROR", 49, "Время подписи позже времени запроса"))
    return found


def _usage(certificate: asn1.Certificate) -> list[ErrorDto]:
    usage = certificate.key_usage_value
    if usage is None or not {"digital_signature", "non_repudiation"} & usage.native:
        return [error("INVALID_CERT_KEY_USAGE", 12, "Область использования ключа не та")]
    return []


def _name(certificate: asn1.Certificate, signer: SignerDto | None) -> list[ErrorDto]:
    """A doctor's certificate says the same name and СНИЛС as the request."""
    if signer is None:
        return []
    said = {one["type"].dotted: str(one["value"].native) for rdn in certificate.subject.chosen for one in rdn}
    given = " ".join(part for part in (signer.name, signer.patr_name) if part)
    wanted = {SNILS: signer.snils, SURNAME: signer.surname, GIVEN: given}
    if all(_same(said.get(oid, ""), word) for oid, word in wanted.items()):
        return []
    return [
        error(
            "VALUE_MISMATCH_METADATA_AND_CERTIFICATE",
            45,
            "Данные сотрудника в сообщении и в сертификате разные",
        )
    ]


def _same(one: str, other: str) -> bool:
    return one.casefold().replace("ё", "е").split() == other.casefold().replace("ё", "е").split()
