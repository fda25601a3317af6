"""What is collected about a signature must be enough to judge it when nobody can be asked any more."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from consilium import clock
from consilium.seal import DEMO_ECDSA, ExpectedSigner, PersonSubject, SignatureRefused, TrustStore, verify
from consilium.seal.authority import DemoAuthority
from consilium.seal.certificates import certificate_of
from consilium.seal.errors import AuthoritySilent
from consilium.seal.evidence import Collector, Evidence, path
from consilium.seal.outward import Allowed
from consilium.seal.providers import SoftwareKey
from consilium.seal.revocation import Revocation
from consilium.seal.stamping import HttpAuthority
from consilium.seal.timestamp import covered_by, verify_token
from tests.consilium.seal.conftest import AT, DOCUMENT
from tests.consilium.seal.forge import OtherAuthority
from web.simulator.authority import serving
from web.simulator.authority_desk import Desk

SUBJECT = PersonSubject("Ёлкина Анна Петровна", "Ёлкина", "Анна Петровна", "11223344595")


class House:
    """An authority that answers over HTTP, and who collects from it; the trust holds the root and nothing else."""

    def __init__(self, folder: Path, desk: Desk, url: str) -> None:
        self.desk = desk
        self.root = TrustStore((desk.authority.root,))
        revocation = Revocation(Allowed.of((), (url,)), (f"{url}/crl",), f"{url}/ocsp", folder)
        self.collector = Collector(lambda: self.root, revocation)
        self.stamps = HttpAuthority((f"{url}/tsa",), revocation.allowed, self.collector.trust_for)
        self.key = SoftwareKey.generate()

    def certificate(self) -> bytes:
        return self.desk.authority.issue(self.key.csr(), SUBJECT, clock.now())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    desk = Desk.open(tmp_path / "authority")
    with serving(desk) as url:
        yield House(tmp_path / "lists", desk, url)


def test_evidence_alone_proves_a_signature_years_later(house: House) -> None:
    certificate = house.certificate()
    signature = house.key.sign(DOCUMENT, certificate, clock.now().replace(microsecond=0))
    token = house.stamps.stamp(covered_by(signature))
    stamp = verify_token(
        token,
        covered=covered_by(signature),
        trust=house.collector.trust_for(token, clock.now()),
        at=clock.now(),
    )
    found = house.collector.of_signer(certificate, (), stamp.time)
    of_token = house.collector.of_token(token, clock.now())
    assert of_token.certificates[0] == stamp.certificate
    assert (len(found.crls), len(found.ocsps)) == (1, 1)
    # Nothing but the root and the collected bytes, at the proven moment.
    held = verify(
        DOCUMENT,
        signature,
        policy=DEMO_ECDSA,
        trust=found.believing(house.root.roots),
        at=stamp.time,
        signer=ExpectedSigner.person(snils=SUBJECT.snils, surname=SUBJECT.surname, given=SUBJECT.given),
        proven=True,
    )
    assert held.certificate == certificate
    again = verify_token(
        token, covered=covered_by(signature), trust=of_token.believing(house.root.roots), at=stamp.time
    )
    assert again.time == stamp.time


def test_who_was_revoked_by_the_proven_moment_is_refused_and_who_was_later_is_not(house: House) -> None:
    certificate, at = house.certificate(), clock.now()
    serial = f"{x509.load_der_x509_certificate(certificate).serial_number:x}"
    house.desk.authority.revoke(serial, at)
    with pytest.raises(SignatureRefused, match="REVOKED"):
        house.collector.of_signer(certificate, (), at + timedelta(seconds=1))
    before = house.collector.of_signer(certificate, (), at - timedelta(minutes=1))
    assert len(before.ocsps) == 1


def test_a_stranger_is_refused_before_anybody_is_asked(house: House) -> None:
    stranger = OtherAuthority(AT).certify(ec.generate_private_key(ec.SECP256R1()).public_key())
    asked = dict(house.desk.asked)
    with pytest.raises(SignatureRefused, match="UNTRUSTED"):
        house.collector.of_signer(stranger, (), clock.now())
    assert house.desk.asked == asked


def test_a_silent_authority_is_told_apart_from_a_refusal(house: House) -> None:
    house.desk.behave("all", "down")
    with pytest.raises(AuthoritySilent, match="OUT_STATUS"):
        house.collector.of_signer(house.certificate(), (), clock.now())
    with pytest.raises(AuthoritySilent, match="OUT_STATUS"):
        house.stamps.stamp(b"x")


def test_the_next_authority_is_asked_when_the_first_answers_wrongly(house: House, tmp_path: Path) -> None:
    other = Desk.open(tmp_path / "authority")
    with serving(other) as second:
        first = house.stamps.urls[0]
        both = HttpAuthority(
            (first, f"{second}/tsa"), Allowed.of((), (first, second)), house.collector.trust_for
        )
        house.desk.behave("tsa", "foreign")
        for digest in ("sha256", "sha384", "sha512"):
            token = both.stamp(b"x", digest)
            trust = house.collector.trust_for(token, clock.now())
            assert verify_token(token, covered=b"x", trust=trust, at=clock.now()).digest == digest
        assert other.asked["tsa"] == 3


def test_without_any_authority_nothing_is_stamped(house: House) -> None:
    nobody = HttpAuthority((), Allowed.of((), ()), house.collector.trust_for)
    with pytest.raises(AuthoritySilent, match="TST_NOT_SET"):
        nobody.stamp(b"x")


def test_an_authority_whose_clock_is_wrong_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token six minutes old or an hour ahead would put the signature at a moment that was not."""
    honest = house.desk.stamper.reply
    for by in (timedelta(minutes=-6), timedelta(hours=1)):
        monkeypatch.setattr(
            type(house.desk.stamper), "reply", lambda _, query, at, by=by: honest(query, at + by)
        )
        with pytest.raises(SignatureRefused, match="TST_TIME"):
            house.stamps.stamp(b"x")


@pytest.mark.needs_gost
def test_a_gost_authority_stamps_and_is_believed(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    DemoAuthority.create(folder, algorithm="gost256")
    desk = Desk.open(folder)
    with serving(desk) as url:
        house = House(tmp_path / "lists", desk, url)
        token = house.stamps.stamp(b"x")
        trust = house.collector.trust_for(token, clock.now())
        stamp = verify_token(token, covered=b"x", trust=trust, at=clock.now())
        assert stamp.chain[-1] == desk.authority.root
        assert certificate_of(stamp.certificate).key.kind == "gost256"


def test_the_path_is_found_through_what_is_enclosed_and_joined_once() -> None:
    authority = OtherAuthority(AT)
    middle_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Middle")])
    middle = authority.certify(middle_key.public_key(), subject=name, ca=True)
    below = OtherAuthority(AT, "Middle", middle_key)
    leaf = below.certify(ec.generate_private_key(ec.SECP256R1()).public_key())
    trust = TrustStore((authority.certificate,))
    assert path(leaf, (middle,), trust) == (leaf, middle, authority.certificate)
    with pytest.raises(SignatureRefused, match="UNTRUSTED"):
        path(leaf, (), trust)
    one, two = Evidence((b"a",), (b"c",), (), {"x": b"t"}), Evidence((b"a", b"b"), (b"c",), (b"o",))
    assert one.joined(two) == Evidence((b"a", b"b"), (b"c",), (b"o",), {"x": b"t"})
