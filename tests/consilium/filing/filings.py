"""A filing with real signatures over a real protocol, made for one test run."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from consilium.clock import now
from consilium.documents.cda import render
from consilium.filing import wire
from consilium.filing.port import (
    Filing,
    FilingPatient,
    FilingSigner,
    OrganisationSignature,
    PersonalSignature,
)
from consilium.seal.providers import SoftwareKey
from tests.consilium.documents.protocols import CENTRE, facts

SECRET = b"a secret of the test, long enough"
PROOF = wire.Proof(SECRET)


def document(uid: UUID) -> bytes:
    """A frozen protocol with this id."""
    return render(facts(document_id=uid))


@dataclasses.dataclass(frozen=True)
class Holder:
    """Whom a certificate names; `days` before and after now it is valid."""

    name: str = "Подписант"
    surname: str = ""
    given: str = ""
    snils: str = ""
    days: tuple[float, float] = (1, 1)
    signs: bool = True


def holder(person_id: str, **changes: object) -> Holder:
    """A participant of the document as his certificate names him."""
    one = next((one for one in facts().participants if one.person_id == person_id), None)
    if one is None:
        return Holder(person_id, **changes)
    given = " ".join(part for part in (one.name.given, one.name.patronymic) if part)
    made = Holder(person_id, one.name.surname, given, wire.digits(one.snils))
    return dataclasses.replace(made, **changes)


def certificate(one: Holder) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A key with a self-made certificate; chains are not the registry simulator's business."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = (
        (x509.NameOID.COMMON_NAME, one.name),
        (x509.NameOID.SURNAME, one.surname),
        (x509.NameOID.GIVEN_NAME, one.given),
        (x509.ObjectIdentifier("1.2.643.100.3"), one.snils),
    )
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in named if value])
    at = now()
    usages = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
         "crl_sign", "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    usage = x509.KeyUsage(digital_signature=one.signs, **{**usages, "crl_sign": not one.signs})
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=one.days[0]))
        .not_valid_after(at + timedelta(days=one.days[1]))
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, made


def signature(
    data: bytes, *holders: Holder | str, detached: bool = True, moment: datetime | None = None
) -> bytes:
    """A CMS in DER over the data by as many signers as holders are given; `moment` instead of now."""
    if moment is not None:
        key, made = certificate(Holder())
        der = made.public_bytes(serialization.Encoding.DER)
        return SoftwareKey(key).sign(data, der, moment)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
    for one in holders or (Holder(),):
        key, made = certificate(holder(one) if isinstance(one, str) else one)
        builder = builder.add_signer(made, key, hashes.SHA256())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    if detached:
        options.append(pkcs7.PKCS7Options.DetachedSignature)
    return builder.sign(serialization.Encoding.DER, options)


def personal(data: bytes, local_id: str = "p1", cms: bytes | None = None) -> PersonalSignature:
    """A participant's signature over the data."""
    one = next(one for one in facts().participants if one.person_id == local_id)
    signer = FilingSigner(
        local_id=local_id,
        role_code="CHAIRMAN",
        post_code="43",
        speciality_code="41",
        surname=one.name.surname,
        given=one.name.given,
        patronymic=one.name.patronymic,
        snils=one.snils,
        organisation_oid=CENTRE.oid,
    )
    return PersonalSignature(
        signer=signer, data=cms or signature(data, local_id), checksum=hashlib.sha256(data).hexdigest()
    )


def filing(base: str, uid: UUID | None = None, **changes: object) -> Filing:
    """A filing whose document the product at `base` serves."""
    uid = uid or uuid4()
    data = document(uid)
    digest = hashlib.sha256(data).hexdigest()
    made = Filing(
        local_uid=uid,
        version=1,
        kind_code="190",
        document_number="2026-17",
        created_at=now() - timedelta(minutes=2),
        organisation_oid=CENTRE.oid,
        patient=FilingPatient(
            surname="Страдальский",
            given="Игорь",
            patronymic="Львович",
            snils="112-233-445 95",
            birth_date=facts().patient.birth_date,
            sex="1",
            local_id="mrn-778",
        ),
        document_sha256=digest,
        personal_signatures=(personal(data, "p1"), personal(data, "p2")),
        organisation_signature=OrganisationSignature(data=signature(data, "НМИЦ"), checksum=digest),
        pull_url=f"{base}/pull/{uid}",
        callback_url=f"{base}/callback",
    )
    return dataclasses.replace(made, **changes)
