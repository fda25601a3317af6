"""GOST signatures end to end: made here, judged here, by the openssl program with its engine, by BouncyCastle."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import (
    DEMO_ECDSA_2,
    RU_UKEP,
    DemoAuthority,
    ExpectedSigner,
    PersonSubject,
    Policy,
    RequestRefused,
    SignatureRefused,
    SoftwareKey,
    VerifiedSignature,
    verify,
)
from consilium.seal.names import names_in
from tests.consilium.seal import pyhanko_gost
from tests.consilium.seal.conftest import AT, DOCUMENT, Signer, World, make_world
from tests.consilium.seal.forge import Tree
from tests.consilium.seal.test_signature import trusted_pem

pytestmark = pytest.mark.needs_gost
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("bcprov", "bcpkix", "bcutil"))


def judged(
    world: World, cms: bytes, signer: Signer | None = None, policy: Policy = RU_UKEP, at: datetime = AT
) -> VerifiedSignature:
    return verify(
        DOCUMENT,
        cms,
        policy=policy,
        trust=world.trust,
        at=at,
        signer=(signer or world.chair).expected,
        signing_time=AT,
    )


def refused(world: World, cms: bytes, policy: Policy = RU_UKEP, document: bytes = DOCUMENT) -> str:
    with pytest.raises(SignatureRefused) as error:
        verify(document, cms, policy=policy, trust=world.trust, at=AT, signer=world.chair.expected)
    return error.value.code


def changed(content: bytes) -> bytes:
    return content[:-1] + bytes((content[-1] ^ 1,))


def openssl_says(folder: Path, document: bytes, cms: bytes, world: World) -> str:
    (folder / "doc").write_bytes(document)
    (folder / "sig").write_bytes(cms)
    (folder / "trusted.pem").write_bytes(trusted_pem(world.trust))
    command = (
        "openssl cms -engine gost -verify -cades -binary -inform DER -in sig -content doc -CAfile trusted.pem"
    )
    options = ["-crl_check_all", "-attime", str(int(AT.timestamp())), "-out", "out"]
    done = subprocess.run(
        [*command.split(), *options], cwd=folder, capture_output=True, text=True, check=False
    )
    return (
        "accepted" if "CAdES Verification successful" in done.stderr and done.returncode == 0 else "refused"
    )


def test_a_gost_signature_is_verified_with_its_facts(gost_world: World) -> None:
    held = judged(gost_world, gost_world.chair.sign(DOCUMENT))
    bits = gost_world.authority.key.bits
    assert held.algorithm == f"gost2012-{bits}-streebog{bits}"
    assert held.policy_id == "ru-ukep/1"
    assert held.policy_digest == RU_UKEP.digest
    assert held.signer.snils == "11223344595"
    assert held.codes == ("CADES_BES", "CHAIN", "REVOCATION", "SIGNER", "CHALLENGE")
    assert len(held.digest) == bits // 4


def test_the_organisation_seals_with_gost(gost_world: World) -> None:
    held = judged(gost_world, gost_world.organisation.sign(DOCUMENT), gost_world.organisation)
    assert (held.signer.ogrn, held.signer.inn) == ("1027739552642", "7726074986")


def test_a_changed_document_signature_or_certificate_is_refused(gost_world: World) -> None:
    cms = gost_world.chair.sign(DOCUMENT)
    assert refused(gost_world, cms, document=DOCUMENT + b" ") == "DIGEST_MISMATCH"
    assert refused(gost_world, changed(cms)) == "BAD_SIGNATURE"


def test_a_revoked_gost_certificate_is_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path, "gost256")
    cms = world.chair.sign(DOCUMENT)
    world.authority.revoke(f"{names_in(world.chair.certificate).serial:x}", AT)
    assert refused(world, cms) == "REVOKED"


def test_openssl_with_its_engine_accepts_our_signature_and_refuses_a_changed_byte(
    gost_world: World, tmp_path: Path
) -> None:
    for signer in (gost_world.chair, gost_world.organisation):
        cms = signer.sign(DOCUMENT)
        assert openssl_says(tmp_path, DOCUMENT, cms, gost_world) == "accepted"
        assert openssl_says(tmp_path, DOCUMENT + b" ", cms, gost_world) == "refused"
        assert openssl_says(tmp_path, DOCUMENT, changed(cms), gost_world) == "refused"


@pytest.mark.parametrize("algorithm", ["gost256", "gost512"])
def test_a_gost_signature_made_by_openssl_is_accepted(tmp_path: Path, algorithm: str) -> None:
    # openssl signs by the clock of the machine, so this test lives at the present moment.
    now = datetime.now(UTC)
    authority = DemoAuthority.create(tmp_path / "authority", now, algorithm)
    key = authority.new_key()
    subject = PersonSubject("Ёлкина Анна Петровна", "Ёлкина", "Анна Петровна", "11223344595")
    certificate = authority.issue(key.csr(), subject, now)
    key.save(tmp_path / "key.pem")
    pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    (tmp_path / "cert.pem").write_bytes(pem)
    (tmp_path / "doc").write_bytes(DOCUMENT)
    command = (
        "openssl cms -engine gost -sign -cades -binary -in doc -signer cert.pem -inkey key.pem -outform DER"
    )
    digest = ["-md", f"md_gost12_{algorithm.removeprefix('gost')}", "-out", "sig"]
    subprocess.run([*command.split(), *digest], cwd=tmp_path, check=True, capture_output=True)
    held = verify(
        DOCUMENT,
        (tmp_path / "sig").read_bytes(),
        policy=RU_UKEP,
        trust=authority.trust(now),
        at=now,
        signer=ExpectedSigner.person(snils="11223344595", surname="Ёлкина", given="Анна Петровна"),
    )
    assert held.signer.name == "Ёлкина Анна Петровна"


def test_openssl_accepts_a_certificate_request_of_a_gost_key(gost_world: World, tmp_path: Path) -> None:
    (tmp_path / "csr").write_bytes(gost_world.authority.new_key().csr())
    command = "openssl req -engine gost -verify -noout -inform DER -in csr"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "verify OK" in done.stderr


@pytest.mark.needs_java
def test_bouncycastle_accepts_our_signatures_and_refuses_a_changed_byte(
    gost_world: World, world: World, tmp_path: Path
) -> None:
    good = [
        gost_world.chair.sign(DOCUMENT),
        gost_world.organisation.sign(DOCUMENT),
        world.chair.sign(DOCUMENT),
    ]
    files = [*good, *(changed(one) for one in good)]
    for number, cms in enumerate(files):
        (tmp_path / f"{number}.sig").write_bytes(cms)
    (tmp_path / "doc").write_bytes(DOCUMENT)
    source = Path(__file__).with_name("Verdicts.java")
    command = ["java", "-cp", JARS, str(source), "doc", *(f"{number}.sig" for number in range(len(files)))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    said = done.stdout.split()
    assert said[:3] == ["true"] * 3
    assert "true" not in said[3:]


def test_each_policy_refuses_the_algorithms_of_the_other(gost_world: World, world: World) -> None:
    assert refused(gost_world, gost_world.chair.sign(DOCUMENT), DEMO_ECDSA_2) == "UNKNOWN_ALGORITHM"
    assert refused(world, world.chair.sign(DOCUMENT)) == "UNKNOWN_ALGORITHM"


def test_the_authority_certifies_keys_of_its_own_world_alone(gost_world: World, world: World) -> None:
    subject = PersonSubject("Ёлкина Анна Петровна", "Ёлкина", "Анна Петровна", "11223344595")
    for authority, stranger in ((gost_world.authority, world), (world.authority, gost_world)):
        with pytest.raises(RequestRefused, match="CSR_KEY"):
            authority.issue(stranger.authority.new_key().csr(), subject, AT)


def test_a_service_of_the_gost_authority_may_have_a_key_of_another_kind(gost_world: World) -> None:
    certificate = gost_world.authority.issue_service(SoftwareKey.generate().csr(), "TSA", "timestamping", AT)
    assert names_in(certificate).issuer == names_in(gost_world.authority.root).subject


def test_the_streaming_form_of_desktop_programs_is_read_where_the_policy_admits_it(gost_world: World) -> None:
    """Indefinite lengths around the signed parts, as CryptoPro's streaming tools and `openssl cms -stream` write."""
    cms = gost_world.chair.sign(DOCUMENT)
    streamed = indefinite(cms, 3)
    assert judged(gost_world, streamed).signing_time == AT
    with pytest.raises(SignatureRefused, match="BER_INDEFINITE"):
        verify(DOCUMENT, streamed, policy=DEMO_ECDSA_2, trust=gost_world.trust, at=AT, signer=None)


@pytest.mark.parametrize("depth", [5, 6, 7])
def test_what_was_signed_is_never_read_in_a_streaming_form(gost_world: World, depth: int) -> None:
    assert refused(gost_world, indefinite(gost_world.chair.sign(DOCUMENT), depth)) == "BER_INDEFINITE"


@pytest.mark.parametrize(
    "tail, code", [(b"", "TRUNCATED"), (b"\0\0x", "TRAILING_DATA"), (b"\0", "TRUNCATED")]
)
def test_a_streaming_form_that_does_not_end_or_goes_on_is_refused(
    gost_world: World, tail: bytes, code: str
) -> None:
    streamed = indefinite(gost_world.chair.sign(DOCUMENT), 1)
    assert refused(gost_world, streamed[:-2] + tail) == code


def indefinite(content: bytes, depth: int) -> bytes:
    """The value with indefinite lengths down to that depth."""
    return streamed(Tree.read(content), depth)


def streamed(tree: Tree, depth: int) -> bytes:
    if not depth or not tree.children:
        return tree.write()
    inner = b"".join(streamed(child, depth - 1) for child in tree.children)
    return bytes((tree.tag, 0x80)) + inner + b"\0\0"


def test_a_person_seals_for_the_organisation_only_by_a_power_of_attorney(gost_world: World) -> None:
    cms, chair = gost_world.chair.sign(DOCUMENT), gost_world.chair.expected
    number = "6f0b1f9a-5d1c-4a52-9a63-1b2c3d4e5f60"

    def by(person: ExpectedSigner, power: str) -> VerifiedSignature:
        expected = ExpectedSigner.of_representative(
            ogrn="1027739552642", inn="7726074986", person=person, power_of_attorney=power
        )
        return verify(DOCUMENT, cms, policy=RU_UKEP, trust=gost_world.trust, at=AT, signer=expected)

    assert by(chair, number).power_of_attorney == number
    with pytest.raises(SignatureRefused, match="POWER_OF_ATTORNEY"):
        by(chair, "")
    with pytest.raises(SignatureRefused, match="SIGNER_MISMATCH"):
        by(gost_world.member.expected, number)
    organisation = ExpectedSigner.of_organisation(ogrn="1027739552642", inn="7726074986")
    with pytest.raises(SignatureRefused, match="POWER_OF_ATTORNEY"):
        verify(DOCUMENT, cms, policy=RU_UKEP, trust=gost_world.trust, at=AT, signer=organisation)


def test_the_organisations_own_seal_needs_no_power_of_attorney(gost_world: World) -> None:
    expected = ExpectedSigner.of_representative(
        ogrn="1027739552642", inn="7726074986", person=gost_world.chair.expected, power_of_attorney="number"
    )
    cms = gost_world.organisation.sign(DOCUMENT)
    held = verify(DOCUMENT, cms, policy=RU_UKEP, trust=gost_world.trust, at=AT, signer=expected)
    assert held.power_of_attorney == ""


async def test_pyhanko_accepts_our_signature_and_refuses_a_changed_byte(
    gost_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyhanko_gost.taught(monkeypatch)
    cms = gost_world.chair.sign(DOCUMENT)
    assert await pyhanko_gost.pyhanko_says(DOCUMENT, cms, gost_world.trust) == (True, True, True)
    assert await pyhanko_gost.pyhanko_says(DOCUMENT + b" ", cms, gost_world.trust) == (False, True, False)
    assert await pyhanko_gost.pyhanko_says(DOCUMENT, changed(cms), gost_world.trust) == (True, False, False)
