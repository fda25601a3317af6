"""A filing with real signatures over a real protocol, made for one test run."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import timedelta
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
from tests.consilium.documents.protocols import CENTRE, facts

SECRET = b"a secret of the test, long enough"
PROOF = wire.Proof(SECRET)


def document(uid: UUID) -> bytes:
    """A frozen protocol with this id."""
    return render(facts(document_id=uid))


def certificate(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A key with a self-made certificate; chains are not the registry simulator's business."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    at = now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return key, made


def signature(data: bytes, *names: str, detached: bool = True) -> bytes:
    """A CMS in DER over the data by as many signers as names are given."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
    for name in names or ("Подписант",):
        key, made = certificate(name)
        builder = builder.add_signer(made, key, hashes.SHA256())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    if detached:
        options.append(pkcs7.PKCS7Options.DetachedSignature)
    return builder.sign(serialization.Encoding.DER, options)


def personal(data: bytes, local_id: str = "p1", cms: bytes | None = None) -> PersonalSignature:
    """A participant's signature over the data."""
    signer = FilingSigner(
        local_id=local_id,
        role_code="CHAIRMAN",
        post_code="43",
        speciality_code="41",
        surname="Чайкина",
        given="Анна",
        patronymic="Сергеевна",
        snils="112-233-445 91",
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
