"""The strict verifier of timestamps: honest tokens of openssl, and every way a token can lie."""

import hashlib
import random
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms as asn1_cms
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext

from consilium.seal import SignatureRefused, TrustStore, der, tsp
from consilium.seal.timestamp import VerifiedTimestamp, covered_by, verify_token
from tests.consilium.seal.conftest import AT, DOCUMENT, World
from tests.consilium.seal.forge import Tree, reference_to
from tests.consilium.seal.forge_time import Tsa, certify

COVERED = b"the value of a signature"
CONFIGURATION = """
[tsa]
default_tsa = t
[t]
serial = {folder}/serial
signer_cert = {folder}/tsa.crt
signer_key = {folder}/tsa.key
certs = {folder}/root.crt
signer_digest = sha256
default_policy = 1.2.643.2.2.38.4
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500, microsecs:100
clock_precision_digits = {digits}
ordering = yes
tsa_name = yes
ess_cert_id_chain = {whole}
ess_cert_id_alg = sha256
"""


@pytest.fixture(scope="module")
def tsa() -> Tsa:
    return Tsa.make(AT)


def judged(tsa: Tsa, token: bytes, **given: object) -> VerifiedTimestamp:
    asked = {"covered": COVERED, "trust": tsa.trust, "at": AT} | given
    return verify_token(token, **asked)


def refused(tsa: Tsa, token: bytes, **given: object) -> str:
    with pytest.raises(SignatureRefused) as error:
        judged(tsa, token, **given)
    return error.value.code


# --- what holds -----------------------------------------------------------------------------------


def test_an_honest_token_is_a_verified_timestamp(tsa: Tsa) -> None:
    stamp = judged(tsa, tsa.stamp(COVERED, nonce=5), nonce=5)
    assert (stamp.time, stamp.digest, stamp.serial) == (AT, "sha256", "4d")
    assert stamp.certificate == tsa.certificate
    assert stamp.not_after == AT + timedelta(days=30)
    assert stamp.chain == (tsa.certificate, tsa.authority.certificate)
    assert stamp.authority == "TSA"


def test_a_fraction_of_a_second_and_the_accuracy_are_read(tsa: Tsa) -> None:
    accuracy = der.sequence(der.integer(2), der.tlv(0x80, b"\x05"), der.tlv(0x81, b"\x07"))
    token = tsa.stamp(COVERED, time=der.tlv(0x18, b"20261123093015.123Z"), accuracy=accuracy)
    stamp = judged(tsa, token)
    assert stamp.time == AT + timedelta(milliseconds=123)
    assert stamp.accuracy == timedelta(seconds=2, milliseconds=5, microseconds=7)


def test_the_certificates_of_a_token_may_come_in_any_order(tsa: Tsa) -> None:
    other = certify(tsa.authority, ec.generate_private_key(ec.SECP256R1()).public_key())
    for certificates in ([tsa.authority.certificate, other, tsa.certificate], [tsa.certificate, other]):
        assert judged(tsa, tsa.stamp(COVERED, certificates=certificates)).certificate == tsa.certificate


def test_a_signatures_timestamp_covers_its_value_and_nothing_else(world: World, tsa: Tsa) -> None:
    cms = world.chair.sign(DOCUMENT)
    value = asn1_cms.ContentInfo.load(cms)["content"]["signer_infos"][0]["signature"].native
    assert covered_by(cms) == value
    assert judged(tsa, tsa.stamp(value), covered=covered_by(cms)).time == AT


def test_an_old_token_is_judged_at_the_moment_asked_for(tsa: Tsa) -> None:
    token = tsa.stamp(COVERED)
    expired = AT + timedelta(days=31)
    assert refused(tsa, token, at=expired) == "TST_CERT_EXPIRED"
    assert judged(tsa, token, at=AT + timedelta(hours=12)).time == AT


# --- what does not --------------------------------------------------------------------------------

Change = Callable[[Tsa], bytes]
OTHER = ec.generate_private_key(ec.SECP256R1())


def by_other_key(tsa: Tsa) -> bytes:
    return Tsa(tsa.authority, OTHER, tsa.certificate).stamp(COVERED)


def by(**certificate: object) -> Change:
    def change(tsa: Tsa) -> bytes:
        made = certify(tsa.authority, tsa.key.public_key(), **certificate)
        return tsa.stamp(COVERED, certificate=made)

    return change


def with_(**changed: object) -> Change:
    return lambda tsa: tsa.stamp(COVERED, **changed)


def edited(edit: Callable[[Tree], None]) -> Change:
    def change(tsa: Tsa) -> bytes:
        tree = Tree.read(tsa.stamp(COVERED))
        edit(tree)
        return tree.write()

    return change


def other_number(tree: Tree) -> None:
    """The signed statement itself is altered: another serial number in TSTInfo."""
    octets = tree.children[1].children[0].children[2].children[1].children[0]
    info = Tree.read(octets.content)
    info.children[3] = Tree.read(der.integer(78))
    octets.content = info.write()


CRITICAL = der.context(1, der.sequence(der.oid("1.2.3.4"), der.true(), der.octets(b"")))
HOSTILE: dict[str, tuple[str, Change]] = {
    "transplanted from another signature": ("TST_IMPRINT", lambda tsa: tsa.stamp(b"another value")),
    "signed by another key": ("TST_SIGNATURE", by_other_key),
    "signature flipped": ("TST_SIGNATURE", with_(signature=lambda one: one[:-1] + bytes([one[-1] ^ 1]))),
    "statement altered after signing": ("TST_SIGNATURE", edited(other_number)),
    "purpose not critical": ("TST_EKU", by(critical=False)),
    "no purpose": ("TST_EKU", by(purposes=())),
    "another purpose": ("TST_EKU", by(purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,))),
    "one purpose too many": (
        "TST_EKU",
        by(purposes=(ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)),
    ),
    "key usage for encryption": ("TST_EKU", by(usage=("key_encipherment",))),
    "an authority's certificate": ("TST_EKU", by(ca=True)),
    "certificate expired": ("TST_CERT_EXPIRED", by(until=AT - timedelta(minutes=1))),
    "certificate not valid yet": ("TST_CERT_EXPIRED", by(since=AT + timedelta(minutes=1))),
    "no certificate inside": ("TST_NO_CERTIFICATE", with_(certificates=[])),
    "no ESSCertID": ("TST_CERT_REF", with_(attributes={tsp.OIDS["signing_certificate_v2"]: b""})),
    "imprint by SHA-1": ("TST_ALGORITHM", with_(digest="sha1", digest_oid="1.3.14.3.2.26")),
    "unknown signature algorithm": ("TST_ALGORITHM", with_(signature_oid="1.2.3.4")),
    "another digest in the signature": ("TST_ALGORITHM", with_(signature_oid="1.2.840.10045.4.3.3")),
    "from the future": ("TST_TIME", with_(time=der.tlv(0x18, b"20261123093516Z"))),
    "local time": ("TST_FORMAT", with_(time=der.tlv(0x18, b"20261123093015"))),
    "zero at the fraction's end": ("TST_FORMAT", with_(time=der.tlv(0x18, b"20261123093015.10Z"))),
    "a month that is not": ("TST_FORMAT", with_(time=der.tlv(0x18, b"20261323093015Z"))),
    "version 2": ("TST_FORMAT", with_(version=2)),
    "a critical extension": ("TST_FORMAT", with_(extensions=CRITICAL)),
    "accuracy of years": ("TST_FORMAT", with_(accuracy=der.sequence(der.integer(10**9)))),
    "not a timestamp": ("TST_FORMAT", with_(content_oid="1.2.840.113549.1.7.1")),
    "two signers": ("TST_FORMAT", with_(signers=2)),
    "no signer": ("TST_FORMAT", with_(signers=0)),
    "attributes out of order": ("TST_FORMAT", with_(order=lambda one: sorted(one, reverse=True))),
    "no message digest": ("TST_FORMAT", with_(attributes={tsp.OIDS["message_digest"]: b""})),
    "something at its end": ("TST_FORMAT", with_(extra=der.null())),
    "truncated": ("TST_FORMAT", lambda tsa: tsa.stamp(COVERED)[:-20]),
    "trailing bytes": ("TST_FORMAT", lambda tsa: tsa.stamp(COVERED) + b"\0"),
    "empty": ("TST_FORMAT", lambda _: b""),
    "garbage": ("TST_FORMAT", lambda _: b"<html>It works!</html>"),
    "huge": ("TST_FORMAT", lambda _: b"\x30" * 10_000_000),
    "nested without end": ("TST_FORMAT", lambda _: nested(5000)),
}


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = der.sequence(content)
    return content


@pytest.mark.parametrize("name", HOSTILE)
def test_a_token_that_lies_is_refused_by_its_own_code(tsa: Tsa, name: str) -> None:
    code, change = HOSTILE[name]
    assert refused(tsa, change(tsa)) == code


def test_an_answer_to_another_request_is_refused(tsa: Tsa) -> None:
    assert refused(tsa, tsa.stamp(COVERED, nonce=6), nonce=5) == "TST_NONCE"
    assert refused(tsa, tsa.stamp(COVERED), nonce=5) == "TST_NONCE"


def test_a_swapped_certificate_of_the_same_key_is_noticed(tsa: Tsa) -> None:
    """Same key, same name, same number: only ESSCertIDv2 tells the two certificates apart."""
    reference = {tsp.OIDS["signing_certificate_v2"]: reference_to(tsa.authority.certificate)}
    assert refused(tsa, tsa.stamp(COVERED, attributes=reference)) == "TST_CERT_REF"


def test_an_authority_nobody_trusts_does_not_count(tsa: Tsa) -> None:
    stranger = Tsa.make(AT)
    assert refused(tsa, stranger.stamp(COVERED)) == "TST_UNTRUSTED"
    assert refused(tsa, tsa.stamp(COVERED), trust=TrustStore(())) == "TST_UNTRUSTED"


def test_without_fresh_word_about_revocation_nothing_is_accepted(tsa: Tsa) -> None:
    token, root = tsa.stamp(COVERED), (tsa.authority.certificate,)
    serial = x509.load_der_x509_certificate(tsa.certificate).serial_number
    stale = tsa.authority.crl(since=timedelta(days=-3))
    assert refused(tsa, token, trust=TrustStore(root)) == "TST_NO_REVOCATION"
    assert refused(tsa, token, trust=TrustStore(root, (), (stale,))) == "TST_NO_REVOCATION"
    assert refused(tsa, token, trust=TrustStore(root, (), (tsa.authority.crl(serial),))) == "TST_REVOKED"


def test_a_mutated_token_is_never_taken_and_never_escapes_as_another_error(tsa: Tsa) -> None:
    chance, good = random.Random(20261123), tsa.stamp(COVERED, nonce=5)
    codes = set()
    for _ in range(1500):
        mutant = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
        if bytes(mutant) == good or not _matters(bytes(mutant), good):
            continue
        codes.add(refused(tsa, bytes(mutant), nonce=5))
    assert {"TST_FORMAT", "TST_SIGNATURE", "TST_IMPRINT"} <= codes
    assert all(code.startswith("TST_") for code in codes)


def _matters(mutant: bytes, good: bytes) -> bool:
    """Damage to the list of digest algorithms beside the signer's own is outside every signature."""
    try:
        ours, theirs = tsp.read_token(mutant), tsp.read_token(good)
    except SignatureRefused:
        return True
    return ours != theirs


# --- replies --------------------------------------------------------------------------------------


def reply(status: int, token: bytes = b"", failure: bytes = b"") -> bytes:
    return der.sequence(der.sequence(der.integer(status), failure), token)


def test_a_reply_gives_its_token_byte_for_byte(tsa: Tsa) -> None:
    token = tsa.stamp(COVERED)
    assert tsp.read_reply(reply(0, token)) == token
    assert tsp.read_reply(reply(1, token)) == token


@pytest.mark.parametrize(
    "hostile,code",
    [
        (reply(2, failure=der.tlv(0x03, b"\x01\x00\x02")), "TST_STATUS"),
        (reply(2, b"\x30\x00"), "TST_STATUS"),
        (reply(0), "TST_FORMAT"),
        (reply(0, b"\x30\x00") + b"\x00", "TST_FORMAT"),
        (b"\x30\x80\x00\x00", "TST_FORMAT"),
        (b"", "TST_FORMAT"),
        (b"not today", "TST_FORMAT"),
        (b"\x30\x84\xff\xff\xff\xff", "TST_FORMAT"),
    ],
)
def test_a_reply_without_a_token_is_refused(hostile: bytes, code: str) -> None:
    with pytest.raises(SignatureRefused) as error:
        tsp.read_reply(hostile)
    assert error.value.code == code


def test_a_refusal_says_why_in_the_authoritys_own_words() -> None:
    with pytest.raises(SignatureRefused) as error:
        tsp.read_reply(reply(2, failure=der.tlv(0x03, b"\x01\x00\x02")))
    assert error.value.params == {"status": 2, "failure": "timeNotAvailable"}


# --- real peers -----------------------------------------------------------------------------------


def openssl(*arguments: str | Path) -> str:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Tsa, Path]:
    """An authority whose certificate is good today, laid out for `openssl ts`."""
    tsa = Tsa.make(datetime.now(UTC).replace(microsecond=0))
    key = tsa.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "tsa.key").write_bytes(key)
    for name, one in (("tsa.crt", tsa.certificate), ("root.crt", tsa.authority.certificate)):
        (tmp_path / name).write_bytes(x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM))
    (tmp_path / "data").write_bytes(COVERED)
    (tmp_path / "serial").write_text("01\n")
    return tsa, tmp_path


@pytest.mark.needs_openssl
@pytest.mark.parametrize("whole,digits", [("no", 0), ("yes", 6)])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_what_openssl_stamps_on_our_request_is_accepted(folder, whole, digits, digest) -> None:
    tsa, where = folder
    (where / "tsa.cnf").write_text(CONFIGURATION.format(folder=where, whole=whole, digits=digits))
    oid = {"sha256": "1", "sha384": "2", "sha512": "3"}[digest]
    imprint = hashlib.new(digest, COVERED).digest()
    (where / "q").write_bytes(tsp.request(f"2.16.840.1.101.3.4.2.{oid}", imprint, 2**63 + 11))
    shown = openssl("ts", "-query", "-in", where / "q", "-text")
    assert "Nonce: 0x800000000000000B" in shown and "Certificate required: yes" in shown
    openssl("ts", "-reply", "-config", where / "tsa.cnf", "-queryfile", where / "q", "-out", where / "r")
    token = tsp.read_reply((where / "r").read_bytes())
    now = datetime.now(UTC)
    stamp = verify_token(token, covered=COVERED, trust=tsa.trust, at=now, nonce=2**63 + 11)
    assert abs(stamp.time - now) < timedelta(seconds=30)
    assert (stamp.digest, stamp.accuracy) == (digest, timedelta(seconds=1, microseconds=500_100))
    assert len(tsp.read_token(token).certificates) == 2


@pytest.mark.needs_openssl
def test_openssl_and_pyhanko_accept_the_tokens_these_tests_forge_from(folder) -> None:
    """The honest half of every forgery here is honest by two other implementations."""
    tsa, where = folder
    token = tsa.stamp(COVERED)
    (where / "token").write_bytes(token)
    told = openssl("ts", "-verify", "-token_in", "-in", where / "token", "-data", where / "data",
                   "-CAfile", where / "root.crt")  # fmt: skip
    assert "Verification: OK" in told
    signed = asn1_cms.ContentInfo.load(token)["content"]
    context = ValidationContext(
        trust_roots=[asn1_cms.CertificateChoices.load(tsa.authority.certificate).chosen],
        crls=[tsa.authority.crl()],
        revocation_mode="require",
    )
    judgement = validate_tst_signed_data(signed, context, lambda name: hashlib.new(name, COVERED).digest())
    with pytest.raises(StopIteration) as ended:
        judgement.send(None)
    assert ended.value.value["valid"] and ended.value.value["intact"]
