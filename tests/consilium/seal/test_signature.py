"""Honest signatures: accepted here, by the openssl program and by pyHanko; and what the verifier says of them."""

import re
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import crl as asn1_crl
from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign import SimpleSigner
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.validation import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from consilium.seal import (
    DEMO_ECDSA,
    POLICIES,
    RequestRefused,
    SignatureRefused,
    SoftwareKey,
    TrustStore,
    verify,
)
from consilium.seal import trust as trusted
from consilium.seal.policy import Policy
from tests.conftest import ROOT
from tests.consilium.seal import forge
from tests.consilium.seal.conftest import AT, DOCUMENT, Signer, World
from tests.consilium.seal.forge import Forgery, OtherAuthority


def judged(cms: bytes, trust: TrustStore, signer: Signer | None = None) -> object:
    return verify(
        DOCUMENT,
        cms,
        policy=DEMO_ECDSA,
        trust=trust,
        at=AT,
        signer=signer.expected if signer else None,
        signing_time=AT,
    )


def trusted_pem(trust: TrustStore) -> bytes:
    certificates = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in trust.roots]
    crls = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in trust.crls]
    return b"".join(certificates + crls)


def openssl_says(folder: Path, document: bytes, cms: bytes, trust: TrustStore) -> str:
    (folder / "doc").write_bytes(document)
    (folder / "sig").write_bytes(cms)
    (folder / "trusted.pem").write_bytes(trusted_pem(trust))
    command = "openssl cms -verify -cades -binary -inform DER -in sig -content doc -CAfile trusted.pem"
    options = ["-crl_check_all", "-attime", str(int(AT.timestamp())), "-out", "out"]
    done = subprocess.run(
        [*command.split(), *options], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stderr.splitlines()[0] if done.returncode == 0 else "refused"


async def pyhanko_says(document: bytes, cms: bytes, trust: TrustStore) -> tuple[bool, bool, bool]:
    """Whether pyHanko finds the document intact, the signature valid and the certificate trusted."""
    content = asn1_cms.ContentInfo.load(cms)["content"]
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(der) for der in trust.roots],
        crls=[asn1_crl.CertificateList.load(der) for der in trust.crls],
        moment=AT,
        revocation_mode="require",
    )
    status = await async_validate_detached_cms(document, content, signer_validation_context=context)
    return status.intact, status.valid, status.trusted


def test_a_good_signature_is_verified_with_its_facts(world: World) -> None:
    signature = judged(world.chair.sign(DOCUMENT), world.trust, world.chair)
    assert signature.signer.name == "Ёлкина Анна Петровна"
    assert signature.signer.snils == "11223344595"
    assert signature.signing_time == AT
    assert signature.algorithm == "secp256r1-sha256"
    assert signature.certificate == world.chair.certificate
    assert signature.policy_id in POLICIES
    assert signature.policy_digest == DEMO_ECDSA.digest
    assert signature.codes == ("CADES_BES", "CHAIN", "REVOCATION", "SIGNER", "CHALLENGE")


def test_the_organisation_is_recognised_by_its_numbers(world: World) -> None:
    signature = judged(world.organisation.sign(DOCUMENT), world.trust, world.organisation)
    assert (signature.signer.ogrn, signature.signer.inn) == ("1027739552642", "7726074986")


def test_the_spelling_of_a_name_does_not_decide(world: World) -> None:
    expected = type(world.chair.expected).person(
        snils="112-233-445 95", surname=" ЕЛКИНА", given="анна  петровна"
    )
    judged(
        world.chair.sign(DOCUMENT), world.trust, Signer(world.chair.key, world.chair.certificate, expected)
    )


def test_the_same_input_is_signed_with_the_same_bytes(world: World) -> None:
    assert world.chair.sign(DOCUMENT) == world.chair.sign(DOCUMENT)


def test_a_signature_by_rsa_is_accepted(world: World) -> None:
    authority, key = OtherAuthority(AT), forge.rsa_key(2048)
    cms = SoftwareKey(key).sign(DOCUMENT, authority.certify(key.public_key()), AT)
    assert judged(cms, authority.trust).algorithm == "rsa-2048-sha256"


def test_a_chain_through_a_subordinate_authority_is_accepted_and_needs_its_list_too(world: World) -> None:
    root, middle, key = OtherAuthority(AT, "Root"), OtherAuthority(AT, "Middle"), SoftwareKey.generate()
    link = root.certify(middle.key.public_key(), subject=middle.name, ca=True)
    certificate = middle.certify(key.private.public_key())
    cms = Forgery(key.private, certificate, DOCUMENT, AT, certificates=sorted([certificate, link])).build()
    judged(cms, TrustStore((root.certificate,), (), (root.crl(), middle.crl())))
    with pytest.raises(Exception, match="NO_CRL"):
        judged(cms, TrustStore((root.certificate,), (), (middle.crl(),)))


def test_a_subordinate_authority_that_was_revoked_ends_its_chains(world: World) -> None:
    root, middle, key = OtherAuthority(AT, "Root"), OtherAuthority(AT, "Middle"), SoftwareKey.generate()
    link = root.certify(middle.key.public_key(), subject=middle.name, ca=True)
    cms = key.sign(DOCUMENT, middle.certify(key.private.public_key()), AT)
    serial = x509.load_der_x509_certificate(link).serial_number
    with pytest.raises(Exception, match="REVOKED"):
        judged(cms, TrustStore((root.certificate,), (link,), (root.crl(serial), middle.crl())))


def test_a_list_made_while_the_command_waited_is_accepted(world: World) -> None:
    later = world.authority.trust(AT + timedelta(seconds=30))
    judged(world.chair.sign(DOCUMENT), later, world.chair)


@pytest.mark.needs_openssl
def test_openssl_accepts_our_signature_and_refuses_a_changed_byte(world: World, tmp_path: Path) -> None:
    cms = world.chair.sign(DOCUMENT)
    assert openssl_says(tmp_path, DOCUMENT, cms, world.trust) == "CAdES Verification successful"
    assert openssl_says(tmp_path, DOCUMENT + b" ", cms, world.trust) == "refused"
    assert openssl_says(tmp_path, DOCUMENT, cms[:-1] + bytes((cms[-1] ^ 1,)), world.trust) == "refused"


async def test_pyhanko_accepts_our_signature_and_refuses_a_changed_byte(world: World) -> None:
    cms = world.chair.sign(DOCUMENT)
    assert await pyhanko_says(DOCUMENT, cms, world.trust) == (True, True, True)
    assert await pyhanko_says(DOCUMENT + b" ", cms, world.trust) == (False, True, False)


@pytest.mark.needs_openssl
@pytest.mark.parametrize("rsa_bits", [0, 2048])
def test_a_signature_made_by_openssl_is_accepted(tmp_path: Path, rsa_bits: int) -> None:
    # openssl signs by the clock of the machine, so this test lives at the present moment.
    now = datetime.now(UTC)
    authority, key = OtherAuthority(now), SoftwareKey.generate(rsa_bits)
    certificate = authority.certify(key.private.public_key())
    key.save(tmp_path / "key.pem")
    pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    (tmp_path / "cert.pem").write_bytes(pem)
    (tmp_path / "doc").write_bytes(DOCUMENT)
    command = "openssl cms -sign -cades -binary -md sha256 -in doc -signer cert.pem -inkey key.pem"
    subprocess.run([*command.split(), "-outform", "DER", "-out", "sig"], cwd=tmp_path, check=True)
    cms = (tmp_path / "sig").read_bytes()
    signature = verify(DOCUMENT, cms, policy=DEMO_ECDSA, trust=authority.trust, at=now, signer=None)
    assert signature.signer.surname == "Ёлкина"


async def test_a_signature_made_by_pyhanko_is_accepted(world: World) -> None:
    authority, key = OtherAuthority(AT), SoftwareKey.generate()
    private = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(authority.certify(key.private.public_key())),
        signing_key=keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore(),
    )
    settings = PdfCMSSignedAttributes(signing_time=AT)
    content = await signer.async_sign_general_data(
        DOCUMENT, "sha256", use_cades=True, signed_attr_settings=settings
    )
    assert judged(content.dump(), authority.trust).signing_time == AT


def test_only_the_verifier_makes_a_verified_signature() -> None:
    makers = {
        path.relative_to(ROOT).as_posix()
        for package in ("consilium", "signaling", "web", "media")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\bVerifiedSignature\(", path.read_text(encoding="utf-8"))
    }
    assert makers == {"consilium/seal/verify.py"}


def test_a_changed_policy_has_another_digest() -> None:
    assert Policy(**(asdict(DEMO_ECDSA) | {"skew_seconds": 301})).digest != DEMO_ECDSA.digest


def test_a_key_is_kept_for_its_owner_alone_and_opens_with_its_password(tmp_path: Path) -> None:
    key, path = SoftwareKey.generate(), tmp_path / "seal.key"
    key.save(path, b"correct")
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = SoftwareKey.load(path, b"correct")
    assert isinstance(loaded.private, ec.EllipticCurvePrivateKey)
    assert loaded.private.private_numbers() == key.private.private_numbers()
    for password in (b"wrong", None):
        with pytest.raises(RequestRefused, match="KEY_UNREADABLE"):
            SoftwareKey.load(path, password)


def test_a_key_of_another_kind_is_not_loaded(tmp_path: Path) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(RequestRefused, match="KEY_UNREADABLE"):
        SoftwareKey.load(tmp_path / "key.pem")


def test_trust_is_read_from_a_folder_of_pem_and_der_files(tmp_path: Path) -> None:
    root, middle = OtherAuthority(AT, "Root"), OtherAuthority(AT, "Middle")
    link = root.certify(middle.key.public_key(), subject=middle.name, ca=True)
    (tmp_path / "root.crt").write_bytes(
        x509.load_der_x509_certificate(root.certificate).public_bytes(Encoding.PEM)
    )
    (tmp_path / "middle.crt").write_bytes(link)
    (tmp_path / "root.crl").write_bytes(root.crl())
    (tmp_path / "notes.txt").write_text("not a certificate")
    trust = TrustStore.load(tmp_path)
    assert (trust.roots, trust.intermediates, len(trust.crls)) == ((root.certificate,), (link,), 1)


def test_a_folder_of_trust_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignatureRefused, match="TRUST_UNREADABLE"):
        TrustStore.load(tmp_path / "missing")
    (tmp_path / "root.crt").write_bytes(b"rubbish")
    with pytest.raises(SignatureRefused, match="BAD_CERTIFICATE"):
        TrustStore.load(tmp_path)
    (tmp_path / "root.crt").rename(tmp_path / "root.crl")
    with pytest.raises(SignatureRefused, match="NO_CRL"):
        TrustStore.load(tmp_path)


def test_a_folder_of_trust_is_read_again_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = OtherAuthority(AT, "Root")
    (tmp_path / "root.crt").write_bytes(root.certificate)
    (tmp_path / "root.crl").write_bytes(root.crl())
    monkeypatch.setattr(trusted, "TICK", 0)
    first = TrustStore.load(tmp_path)
    assert TrustStore.load(tmp_path) is first
    (tmp_path / "root.crl").write_bytes(other := root.crl(7))
    assert TrustStore.load(tmp_path).crls == (other,)
    (tmp_path / "root.crl").unlink()
    assert TrustStore.load(tmp_path).crls == ()


def test_two_changes_within_a_tick_of_the_file_systems_clock_are_both_seen(tmp_path: Path) -> None:
    """Same name, size and inode, and times put back: only the moment of the change itself tells, if it can."""
    root = OtherAuthority(AT, "Root")
    path = tmp_path / "root.crl"
    for _ in range(20):
        path.write_bytes(made := root.crl())
        assert TrustStore.load(tmp_path).crls == (made,)


def test_a_name_may_be_longer_than_thirty_two_russian_letters(world: World) -> None:
    signer = world.doctor("Константинопольская-Преображенская", "33445566778")
    signature = judged(signer.sign(DOCUMENT), world.trust, signer)
    assert signature.signer.surname == "Константинопольская-Преображенская"
