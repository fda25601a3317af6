"""The demonstration authority: what it refuses to certify, and what it promises about what it issued."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import (
    DEMO_ECDSA,
    DemoAuthority,
    OrganisationSubject,
    PersonSubject,
    RequestRefused,
    SignatureRefused,
    SoftwareKey,
    verify,
)
from consilium.seal.names import identity_of, names_in
from tests.consilium.seal import forge
from tests.consilium.seal.conftest import AT, DOCUMENT, World, make_world

SUBJECT = PersonSubject("Ёлкина Анна Петровна", "Ёлкина", "Анна Петровна", "11223344595")


def request_by(key: object, digest: hashes.HashAlgorithm | None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(forge.person_name("00000000000"))
    return builder.sign(key, digest).public_bytes(Encoding.DER)


def damaged(csr: bytes) -> bytes:
    return csr[:-1] + bytes((csr[-1] ^ 1,))


def swollen() -> bytes:
    """An honest request with twenty kilobytes of something inside."""
    padding = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(20_000))
    builder = x509.CertificateSigningRequestBuilder().subject_name(forge.person_name())
    builder = builder.add_extension(padding, critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


REQUESTS = [
    ("CSR_FORMAT", swollen),
    ("CSR_FORMAT", lambda: b""),
    ("CSR_FORMAT", lambda: b"not a request"),
    ("CSR_FORMAT", lambda: SoftwareKey.generate().csr() + b"more"),
    ("CSR_FORMAT", lambda: bytes(20_000)),
    ("CSR_SIGNATURE", lambda: damaged(SoftwareKey.generate().csr())),
    ("CSR_KEY", lambda: request_by(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256())),
    ("CSR_KEY", lambda: request_by(forge.rsa_key(1024), hashes.SHA256())),
    ("CSR_KEY", lambda: request_by(ed25519.Ed25519PrivateKey.generate(), None)),
]


@pytest.mark.parametrize("code, make", REQUESTS)
def test_a_request_that_does_not_fit_is_refused(world: World, code: str, make: object) -> None:
    with pytest.raises(RequestRefused) as refused:
        world.authority.issue(make(), SUBJECT, AT)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "subject",
    [
        PersonSubject("", "Ёлкина", "Анна", "11223344595"),
        PersonSubject("Ёлкина Анна", "Ёлкина", "Анна", "112-233-445 95"),
        PersonSubject("Ёлкина Анна", "Ёлкина", "Анна", "١١٢٢٣٣٤٤٥٩٥"),
        PersonSubject("Ёлкина\nАнна", "Ёлкина", "Анна", "11223344595"),
        PersonSubject("Ё" * 65, "Ёлкина", "Анна", "11223344595"),
    ],
)
def test_an_owner_who_is_not_properly_named_is_refused(world: World, subject: PersonSubject) -> None:
    with pytest.raises(RequestRefused, match="CSR_SUBJECT"):
        world.authority.issue(SoftwareKey.generate().csr(), subject, AT)


def test_an_organisation_without_its_number_is_refused(world: World) -> None:
    with pytest.raises(RequestRefused, match="CSR_SUBJECT"):
        world.authority.issue_organisation(
            SoftwareKey.generate().csr(), OrganisationSubject("НМИЦ", "123", "7726074986"), AT
        )


def test_a_folder_without_an_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestRefused, match="AUTHORITY_MISSING"):
        DemoAuthority.open(tmp_path)


def test_the_owner_is_named_by_the_authority_and_never_by_the_request(world: World) -> None:
    csr = request_by(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    identity = identity_of(names_in(world.authority.issue(csr, SUBJECT, AT)).subject)
    assert (identity.snils, identity.surname) == ("11223344595", "Ёлкина")


def test_a_request_asked_again_gets_the_same_certificate(world: World) -> None:
    key = SoftwareKey.generate()
    first = world.authority.issue(key.csr(), SUBJECT, AT)
    assert world.authority.issue(key.csr("again"), SUBJECT, AT + timedelta(days=1)) == first


def test_a_key_belongs_to_one_owner(world: World) -> None:
    key = SoftwareKey.generate()
    world.authority.issue(key.csr(), SUBJECT, AT)
    other = PersonSubject("Ильина Анна Петровна", "Ильина", "Анна Петровна", "22334455667")
    with pytest.raises(RequestRefused, match="CSR_KEY_TAKEN"):
        world.authority.issue(key.csr(), other, AT)


def test_a_revoked_key_gets_no_new_certificate(world: World) -> None:
    key = SoftwareKey.generate()
    certificate = world.authority.issue(key.csr(), SUBJECT, AT)
    world.authority.revoke(f"{names_in(certificate).serial:x}", AT)
    with pytest.raises(RequestRefused, match="CSR_KEY_TAKEN"):
        world.authority.issue(key.csr(), SUBJECT, AT)


def test_a_revoked_certificate_signs_no_more(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    cms = world.member.sign(DOCUMENT)
    serial = verify(DOCUMENT, cms, policy=DEMO_ECDSA, trust=world.trust, at=AT, signer=None).serial
    world.authority.revoke(serial, AT, x509.ReasonFlags.key_compromise)
    world.authority.revoke(serial, AT + timedelta(days=1))
    with pytest.raises(SignatureRefused) as refused:
        verify(DOCUMENT, cms, policy=DEMO_ECDSA, trust=world.trust, at=AT, signer=None)
    assert (refused.value.code, refused.value.params["since"]) == ("REVOKED", AT)


def test_a_revocation_is_seen_by_every_process_that_opens_the_folder(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    serial = names_in(world.chair.certificate).serial
    other = DemoAuthority.open(tmp_path)
    world.authority.revoke(f"{serial:x}", AT)
    crl = x509.load_der_x509_crl(other.crl(AT))
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None


def test_the_numbers_of_revocation_lists_grow(world: World) -> None:
    def number(seconds: int) -> int:
        crl = x509.load_der_x509_crl(world.authority.crl(AT + timedelta(seconds=seconds)))
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    assert number(0) < number(1) < number(3600)


def test_creating_an_authority_at_once_from_many_sides_makes_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: DemoAuthority.create(tmp_path / "authority", AT).root, range(16)))
    assert len(set(made)) == 1


def test_its_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    make_world(tmp_path / "authority")
    files = [path for path in (tmp_path / "authority").rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in files if path.name != ".lock")
    assert (tmp_path / "authority" / "root.key") in files


def test_every_certificate_says_that_it_is_a_demonstration(world: World) -> None:
    root = names_in(world.authority.root)
    assert "DEMONSTRATION" in identity_of(root.subject).name
    for signer in (world.chair, world.organisation):
        assert "ДЕМОНСТРАЦИЯ / DEMONSTRATION".encode() in names_in(signer.certificate).subject
