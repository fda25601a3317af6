"""Random damage to everything the verifier reads: refused by code, in bounded time, and never another exception.

Seeded, so that a failure can be repeated. Hundreds of cases by default; thousands in `make test-long`.
"""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from consilium.seal import SignatureRefused, TrustStore, asn1, cms, der, verify
from consilium.seal.certificates import certificate_of
from consilium.seal.crl import list_of
from tests.consilium.seal.conftest import AT, DOCUMENT
from tests.consilium.seal.forge import Tree
from tests.consilium.seal.forge_time import Tsa
from tests.consilium.seal.test_attack_table import timestamp
from tests.consilium.seal.test_hostile_signatures import mutant, rebuilt
from tests.consilium.seal.workshop import Bent, Office, Workshop, extension

pytestmark = pytest.mark.needs_gost
# Seconds of CPU one verdict may take; a good one takes a few milliseconds.
BOUND = 0.5
KINDS = ["p256", "gost256", "gost512"]


@pytest.fixture(scope="module", params=KINDS)
def shop(request: pytest.FixtureRequest) -> Workshop:
    return Workshop.open(request.param)


def verdict(shop: Workshop, signature: bytes, trust: TrustStore | None = None) -> str:
    """Our code, or what was verified, in words."""
    started = time.process_time()
    try:
        held = verify(
            DOCUMENT, signature, policy=shop.policy, trust=trust or shop.office.trust, at=AT, signer=None
        )
        said = f"OK {held.digest} {held.signing_time} {held.certificate_sha256} {held.policy_id}"
    except SignatureRefused as refused:
        said = refused.code
    assert time.process_time() - started < BOUND
    return said


def codes_of(
    shop: Workshop,
    original: bytes,
    change: Callable[[bytes, random.Random], bytes],
    count: int,
    trust: TrustStore,
) -> Counter[str]:
    chance, honest = random.Random(f"20261123 {shop.kind}"), verdict(shop, original, trust)
    assert honest.startswith("OK")
    found: Counter[str] = Counter()
    for _ in range(count):
        changed = change(original, chance)
        said = verdict(shop, changed, trust)
        assert said == honest or not said.startswith("OK"), changed.hex()
        found[said.split()[0]] += 1
    return found


def judge_files(shop: Workshop, count: int) -> None:
    """Files as a desktop program makes them, a timestamp inside, so that the damage may fall there too."""
    tsa = Tsa.make(AT)
    trust = shop.office.trust.joined(tsa.trust)
    stamped = shop.bent(
        unsigned=lambda value: der.tlv(
            0xA1,
            der.sequence(der.oid("1.2.840.113549.1.9.16.2.14"), der.set_of([tsa.stamp(value)])),
        )
    )
    for original in (shop.bent(), stamped):
        for change in (mutant, rebuilt):
            found = codes_of(shop, original, change, count, trust)
            assert "CHECK_FAILED" not in found
            assert "TST_CHECK_FAILED" not in found
            assert len(found) > 5


def test_damaged_files_are_refused_by_code_in_bounded_time(shop: Workshop) -> None:
    judge_files(shop, 80)


@pytest.mark.long
def test_thousands_of_damaged_files_are_refused_by_code_in_bounded_time(shop: Workshop) -> None:
    judge_files(shop, 4000)


def judge_certificates(shop: Workshop, count: int) -> None:
    """A hostile certificate whose key did sign, signed again by its authority where that can be."""
    chance, office = random.Random(f"certificate {shop.kind}"), shop.office
    codes: Counter[str] = Counter()
    for number in range(count):
        damaged = (mutant, rebuilt)[number % 2](shop.certificate, chance)
        if number % 3 == 0:
            damaged = signed_again(office, damaged)
        try:
            cms_der = Bent(shop.key, damaged).build()
        except SignatureRefused:
            continue  # without names nothing can be built around it
        codes[verdict(shop, cms_der).split()[0]] += 1
    assert "CHECK_FAILED" not in codes
    assert len(codes) > 3


def signed_again(office: Office, certificate: bytes) -> bytes:
    """The damaged body under an honest signature of its authority, where it is still a body."""
    try:
        body = Tree.read(certificate).children[0].write()
    except (SignatureRefused, IndexError):
        return certificate
    return der.sequence(body, office.key.algorithm(), der.bits(office.key.sign_raw(body)))


def test_damaged_certificates_are_refused_by_code_in_bounded_time(shop: Workshop) -> None:
    judge_certificates(shop, 200)


@pytest.mark.long
def test_thousands_of_damaged_certificates_are_refused_by_code(shop: Workshop) -> None:
    judge_certificates(shop, 6000)


def judge_lists(shop: Workshop, count: int) -> None:
    chance, original, signature = random.Random(shop.kind), shop.office.crl(5, 77), shop.bent()
    codes: Counter[str] = Counter()
    for number in range(count):
        damaged = (mutant, rebuilt)[number % 2](original, chance)
        trust = TrustStore((shop.office.root,), (), (damaged,))
        said = verdict(shop, signature, trust)
        # One octet of the list's own algorithm NULL apart, any change breaks its signature.
        assert not said.startswith("OK") or damaged == original
        codes[said] += 1
    assert "CHECK_FAILED" not in codes


def test_a_damaged_revocation_list_is_no_list(shop: Workshop) -> None:
    judge_lists(shop, 200)


@pytest.mark.long
def test_thousands_of_damaged_revocation_lists_are_no_lists(shop: Workshop) -> None:
    judge_lists(shop, 6000)


@pytest.mark.parametrize(
    "reader", [certificate_of, list_of, lambda data: cms.parse(data, asn1.Limits(1 << 20, 64, 50_000))]
)
def test_rubbish_is_refused_by_every_reader(reader: Callable[[bytes], object]) -> None:
    chance = random.Random(7)
    for size in (0, 1, 2, 3, 5, 20, 200, 2000):
        for start in (b"", b"\x30", b"\x30\x82\x01\x00", b"\x30\x80"):
            with pytest.raises(SignatureRefused):
                reader(start + chance.randbytes(size))


def test_addresses_in_certificates_are_never_followed() -> None:
    """Lists, responders and issuers at an address that would notice: nobody calls."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        calls: list[object] = []
        ended = threading.Event()
        caller = threading.Thread(target=_listen, args=(listener, calls, ended))
        caller.start()
        try:
            for said in verdicts_with_addresses(f"http://127.0.0.1:{listener.getsockname()[1]}"):
                assert said in {"NO_CRL", "UNTRUSTED"} or said.startswith("OK")
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            caller.join()
    assert len(calls) == 1, "only the call that ends the test"


def _listen(listener: socket.socket, calls: list[object], ended: threading.Event) -> None:
    while not ended.is_set():
        connection, address = listener.accept()
        calls.append(address)
        connection.close()


def verdicts_with_addresses(url: str) -> list[str]:
    """With a list, without one, and under a root nobody trusts: whenever a library might want to look something up."""
    shop = Workshop.open("p256")
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(f"{url}/crl")], None, None, None)]
    )
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(oid, x509.UniformResourceIdentifier(f"{url}/{oid.dotted_string}"))
            for oid in (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
        ]
    )
    certificate = with_extensions(shop, [extension(one, critical=False) for one in (points, access)])
    signature = Bent(shop.key, certificate).build()
    trusts = (shop.office.trust, replace(shop.office.trust, crls=()), Workshop.open("p256").office.trust)
    return [verdict(shop, signature, trust) for trust in trusts]


def with_extensions(shop: Workshop, more: list[bytes]) -> bytes:
    body = Tree.read(shop.certificate).children[0]
    body.children[-1].children[0].children += [Tree.read(one) for one in more]
    return der.sequence(
        body.write(), shop.office.key.algorithm(), der.bits(shop.office.key.sign_raw(body.write()))
    )


def test_an_embedded_timestamp_of_another_signature_is_never_taken(shop: Workshop) -> None:
    signature = shop.bent(unsigned=lambda _: timestamp(b"another"))
    assert verdict(shop, signature) == "TST_IMPRINT"
