"""The path check of our own, held against pyhanko-certvalidator and openssl: what passes here passes there."""

import random
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathError, ValidationError

from consilium.seal import DEMO_ECDSA_2, RU_UKEP, SignatureRefused, TrustStore, chain
from consilium.seal.certificates import certificate_of
from tests.consilium.seal.conftest import AT, World
from tests.consilium.seal.forge import OtherAuthority, key_usage

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Line:
    """A root, as many authorities under it as asked, and a person at the end; anything may be bent on the way."""

    def __init__(self, links: int = 1, **leaf: object) -> None:
        self.authorities = [OtherAuthority(AT, f"Authority {number}") for number in range(links + 1)]
        self.links = [
            upper.certify(lower.key.public_key(), subject=lower.name, ca=True)
            for upper, lower in zip(self.authorities, self.authorities[1:], strict=False)
        ]
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.leaf = self.authorities[-1].certify(self.key.public_key(), **leaf)
        self.crls = [one.crl() for one in self.authorities]

    @property
    def trust(self) -> TrustStore:
        return TrustStore((self.authorities[0].certificate,), tuple(self.links), tuple(self.crls))


def said(line: Line, at: datetime = AT, *, trust: TrustStore | None = None, **options: object) -> str:
    try:
        return str(len(chain.build(line.leaf, (), trust or line.trust, at, **options)))
    except SignatureRefused as refused:
        return refused.code


def certvalidator_says(line: Line, at: datetime = AT) -> str:
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(der) for der in line.trust.roots],
        other_certs=[asn1_x509.Certificate.load(der) for der in line.trust.intermediates],
        crls=[asn1_crl.CertificateList.load(der) for der in line.trust.crls],
        moment=at,
        revocation_mode="require",
        retroactive_revinfo=True,
        allow_fetching=False,
    )
    validator = CertificateValidator(asn1_x509.Certificate.load(line.leaf), validation_context=context)
    try:
        validator.async_validate_path().send(None)
    except StopIteration as finished:
        return str(len(list(finished.value.iter_certs(include_root=True))))
    except (PathError, ValidationError) as error:
        return type(error).__name__
    raise AssertionError("it went to the network")


def openssl_says(line: Line, folder: Path, at: datetime = AT) -> str:
    files = {"root": line.trust.roots, "links": line.trust.intermediates, "leaf": (line.leaf,)}
    for name, certificates in files.items():
        pem = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in certificates]
        (folder / name).write_bytes(b"".join(pem))
    crls = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in line.crls]
    (folder / "crls").write_bytes(b"".join(crls))
    command = "openssl verify -crl_check_all -CAfile root -CRLfile crls"
    untrusted = ["-untrusted", "links"] if line.links else []
    moment = ["-attime", str(int(at.timestamp())), "leaf"]
    done = subprocess.run(
        [*command.split(), *untrusted, *moment], cwd=folder, capture_output=True, check=False
    )
    return "OK" if done.returncode == 0 else "refused"


def extended(
    authority: OtherAuthority, certificate: bytes, extension: x509.ExtensionType, *, critical: bool
) -> bytes:
    """The same certificate, signed again by its issuer, with one more extension."""
    old = x509.load_der_x509_certificate(certificate)
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer)
    builder = builder.public_key(old.public_key()).serial_number(old.serial_number)
    builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    for one in old.extensions:
        if one.oid != extension.oid:
            builder = builder.add_extension(one.value, one.critical)
    builder = builder.add_extension(extension, critical)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def link_with(extension: x509.ExtensionType, *, critical: bool) -> Callable[[], Line]:
    def make() -> Line:
        line = Line(1)
        line.links[0] = extended(line.authorities[0], line.links[0], extension, critical=critical)
        return line

    return make


def leaf_with(extension: x509.ExtensionType, *, critical: bool) -> Callable[[], Line]:
    def make() -> Line:
        line = Line(1)
        line.leaf = extended(line.authorities[1], line.leaf, extension, critical=critical)
        return line

    return make


def too_long() -> Line:
    line = Line(2)
    line.links[0] = extended(
        line.authorities[0], line.links[0], x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return line


def endless() -> Line:
    """Two authorities that certify each other, and nobody they come from is trusted."""
    line = Line(2)
    first, second = line.authorities[1:]
    line.links = [
        second.certify(first.key.public_key(), subject=first.name, ca=True),
        first.certify(second.key.public_key(), subject=second.name, ca=True),
    ]
    return line


def unlisted(number: int) -> Callable[[], Line]:
    def make() -> Line:
        line = Line(1)
        del line.crls[number]
        return line

    return make


def partial_list() -> Line:
    """A list that says it speaks of authorities alone."""
    line = Line(0)
    authority = line.authorities[0]
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.name)
    builder = builder.last_update(AT).next_update(AT + DAY)
    only = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)
    builder = builder.add_extension(only, critical=True)
    line.crls = [builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)]
    return line


def list_with(extension: x509.ExtensionType, *, critical: bool) -> Callable[[], Line]:
    """A list whose entry, about somebody else, says something more."""

    def make() -> Line:
        line = Line(0)
        authority = line.authorities[0]
        entry = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(AT - HOUR)
        entry = entry.add_extension(extension, critical=critical)
        builder = x509.CertificateRevocationListBuilder().issuer_name(authority.name).last_update(AT - HOUR)
        builder = builder.next_update(AT + DAY).add_revoked_certificate(entry.build())
        line.crls = [builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)]
        return line

    return make


PERMITTED = x509.NameConstraints([x509.DNSName("example.org")], None)
NO_RIGHT_TO_CERTIFY = key_usage(("digital_signature",))
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
COMPROMISED = x509.ReasonFlags.key_compromise
POLICIES = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("1.2.643.100.113.1"), None)]
)
EXPLICIT = x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)

LINES: list[tuple[str, str, Callable[[], Line]]] = [
    ("straight under the root", "2", lambda: Line(0)),
    ("one between", "3", lambda: Line(1)),
    ("three between", "5", lambda: Line(3)),
    ("certificate policies marked critical", "3", leaf_with(POLICIES, critical=True)),
    ("an unknown extension, not critical", "3", leaf_with(UNKNOWN, critical=False)),
    ("more links than are followed", "UNTRUSTED", lambda: Line(7)),
    ("an unknown critical extension of a person", "UNTRUSTED", leaf_with(UNKNOWN, critical=True)),
    ("an unknown critical extension of an authority", "UNTRUSTED", link_with(UNKNOWN, critical=True)),
    ("name constraints", "UNTRUSTED", link_with(PERMITTED, critical=True)),
    ("an explicit policy required", "UNTRUSTED", link_with(EXPLICIT, critical=True)),
    ("an authority that may not certify", "UNTRUSTED", link_with(NO_RIGHT_TO_CERTIFY, critical=True)),
    (
        "an authority that is none",
        "UNTRUSTED",
        link_with(x509.BasicConstraints(ca=False, path_length=None), critical=True),
    ),
    ("longer than an authority allows", "UNTRUSTED", too_long),
    ("authorities that certify each other", "UNTRUSTED", endless),
    ("no list of the root", "NO_CRL", unlisted(0)),
    ("no list of the authority between", "NO_CRL", unlisted(1)),
    ("a list that speaks of authorities alone", "CRL_STALE", partial_list),
    ("an entry that says more, not critical", "2", list_with(UNKNOWN, critical=False)),
    ("an entry's reason marked critical", "CRL_STALE", list_with(x509.CRLReason(COMPROMISED), critical=True)),
    ("an entry nobody can read in full", "CRL_STALE", list_with(UNKNOWN, critical=True)),
    ("expired", "CERT_EXPIRED", lambda: Line(1, since=-2 * DAY, until=-DAY)),
    ("not valid yet", "CERT_NOT_YET_VALID", lambda: Line(1, since=DAY)),
]


@pytest.mark.needs_openssl
@pytest.mark.parametrize("expected, make", [line[1:] for line in LINES], ids=[line[0] for line in LINES])
def test_what_passes_here_passes_at_the_other_two(
    tmp_path: Path, expected: str, make: Callable[[], Line]
) -> None:
    line = make()
    assert said(line) == expected
    if expected.isdecimal():
        assert certvalidator_says(line) == expected
        assert openssl_says(line, tmp_path) == "OK"


def test_random_chains_that_pass_here_pass_at_certvalidator() -> None:
    """Seeded: links, dates, lists and revocations at random. The reverse need not hold: ours is stricter."""
    chance, passed = random.Random(20261123), 0
    for _ in range(60):
        line = Line(
            chance.randrange(3),
            since=chance.choice([-HOUR, -2 * DAY, HOUR]),
            until=chance.choice([DAY, 2 * HOUR, -HOUR]) if chance.random() < 0.3 else 30 * DAY,
        )
        for number, authority in enumerate(line.authorities):
            serials = [certificate_of(line.leaf).serial] if chance.random() < 0.1 else []
            line.crls[number] = authority.crl(*serials, since=chance.choice([-HOUR, -2 * DAY, HOUR]))
        at = AT + chance.choice([0 * HOUR, 3 * HOUR, -3 * HOUR])
        mine, theirs = said(line, at), certvalidator_says(line, at)
        if mine.isdecimal():
            passed += 1
            assert theirs == mine
    assert passed >= 5


def test_a_revocation_counts_whatever_its_date_unless_the_time_is_proven() -> None:
    line = Line(0)
    authority, serial = line.authorities[0], certificate_of(line.leaf).serial
    line.crls = [authority.crl(serial, since=DAY, revoked_at=AT + HOUR)]
    assert said(line) == "REVOKED"
    assert said(line, proven=True) == "2"
    line.crls = [authority.crl(serial, since=DAY, revoked_at=AT - HOUR)]
    assert said(line, proven=True) == "REVOKED"


def test_a_key_known_to_be_stolen_earlier_counts_from_then() -> None:
    """invalidityDate (RFC 5280 5.3.2) before the proven moment, though the revocation came after it."""
    line = Line(0)
    authority = line.authorities[0]
    entry = x509.RevokedCertificateBuilder().serial_number(certificate_of(line.leaf).serial)
    entry = entry.revocation_date(AT + HOUR).add_extension(x509.InvalidityDate(AT - HOUR), critical=False)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.name).last_update(AT + DAY)
    builder = builder.next_update(AT + 2 * DAY).add_revoked_certificate(entry.build())
    line.crls = [builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)]
    assert said(line, proven=True) == "REVOKED"


def test_a_list_made_after_the_certificate_ended_is_no_evidence_for_it() -> None:
    line = Line(0, until=HOUR)
    line.crls = [line.authorities[0].crl(since=DAY)]
    assert said(line, proven=True) == "CRL_STALE"


def test_a_revocation_of_an_authority_between_ends_the_chain() -> None:
    line = Line(1)
    line.crls[0] = line.authorities[0].crl(certificate_of(line.links[0]).serial)
    assert said(line) == "REVOKED"


def test_an_authority_of_the_folder_that_nobody_can_read_cuts_off_no_other() -> None:
    line = Line(1)
    damaged = line.links[0][:-1] + bytes([line.links[0][-1] ^ 1])
    broken = line.links[0][:40] + b"\xff" + line.links[0][41:]
    for links in ((broken, *line.links), (damaged, *line.links)):
        trust = TrustStore(line.trust.roots, links, line.trust.crls)
        assert said(line, trust=trust) == "3"
    only = TrustStore(line.trust.roots, (broken,), line.trust.crls)
    assert said(line, trust=only) == "UNTRUSTED"
    with pytest.raises(SignatureRefused) as refused:
        chain.build(line.leaf, (broken,), line.trust, AT)
    assert refused.value.code == "BAD_CERTIFICATE"


def test_another_way_to_the_root_is_found() -> None:
    """An authority certified twice: the first certificate has expired, the second holds."""
    line = Line(1)
    upper, lower = line.authorities
    expired = upper.certify(
        lower.key.public_key(), subject=lower.name, ca=True, until=timedelta(0) - HOUR / 2
    )
    line.links = [expired, *line.links]
    assert said(line, AT) == "3"


def test_a_thousand_namesakes_cost_a_bounded_search() -> None:
    line = Line(0)
    namesakes = tuple(OtherAuthority(AT, "Authority 0").certificate for _ in range(250))
    trust = TrustStore((namesakes[0],), namesakes[1:], tuple(line.crls))
    assert said(line, trust=trust) == "UNTRUSTED"


def test_a_policy_bounds_the_keys_of_authorities(gost_world: World, world: World) -> None:
    """A GOST person under a GOST authority fits ru-ukep and not demo-ecdsa; the reverse for the other world."""
    for one, fits, other in ((gost_world, RU_UKEP, DEMO_ECDSA_2), (world, DEMO_ECDSA_2, RU_UKEP)):
        chain.build(one.chair.certificate, (), one.trust, AT, policy=fits)
        chain.build(one.chair.certificate, (), one.trust, AT)
        with pytest.raises(SignatureRefused, match="UNTRUSTED"):
            chain.build(one.chair.certificate, (), one.trust, AT, policy=other)


@pytest.mark.parametrize("status, expected", [("GOOD", "2"), ("REVOKED", "REVOKED")])
def test_an_answer_of_the_responder_settles_what_no_list_says(status: str, expected: str) -> None:
    line = Line(0)
    line.crls = []
    trust = TrustStore(line.trust.roots, (), (), (answer(line, ocsp.OCSPCertStatus[status]),))
    assert said(line, trust=trust) == expected


def test_a_good_answer_does_not_undo_a_list_nor_a_good_list_an_answer() -> None:
    line = Line(0)
    good, bad = (answer(line, ocsp.OCSPCertStatus[name]) for name in ("GOOD", "REVOKED"))
    revoked = line.authorities[0].crl(certificate_of(line.leaf).serial)
    assert said(line, trust=TrustStore(line.trust.roots, (), (revoked,), (good,))) == "REVOKED"
    assert said(line, trust=TrustStore(line.trust.roots, (), tuple(line.crls), (bad,))) == "REVOKED"


def test_an_answer_about_another_certificate_or_by_another_authority_says_nothing() -> None:
    line, other, impostor = Line(0), Line(0), Line(0)
    impostor.leaf = line.leaf
    for response in (
        answer(line, ocsp.OCSPCertStatus.GOOD, about=other.leaf),
        answer(impostor, ocsp.OCSPCertStatus.GOOD),
        b"rubbish",
    ):
        assert said(line, trust=TrustStore(line.trust.roots, (), (), (response,))) == "NO_CRL"


def answer(line: Line, status: ocsp.OCSPCertStatus, about: bytes = b"") -> bytes:
    """Of the authority itself about the person."""
    authority = x509.load_der_x509_certificate(line.authorities[0].certificate)
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=x509.load_der_x509_certificate(about or line.leaf),
        issuer=authority,
        algorithm=hashes.SHA256(),
        cert_status=status,
        this_update=AT,
        next_update=AT + DAY,
        revocation_time=AT - HOUR if revoked else None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, authority)
    return builder.sign(line.authorities[0].key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_certificate_is_read_the_same_by_two_readers() -> None:
    line = Line(1)
    for der in (line.leaf, *line.links, line.authorities[0].certificate):
        ours, theirs = certificate_of(der), x509.load_der_x509_certificate(der)
        basic = theirs.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (ours.serial, ours.not_before, ours.not_after) == (
            theirs.serial_number,
            theirs.not_valid_before_utc,
            theirs.not_valid_after_utc,
        )
        assert ours.ca == basic.ca
        assert ours.subject == theirs.subject.public_bytes()
        assert ours.purposes == (
            frozenset() if basic.ca else {ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string}
        )


@pytest.mark.parametrize("place", range(0, 400, 23))
def test_a_damaged_certificate_is_refused_by_code(place: int) -> None:
    line = Line(0)
    damaged = line.leaf[:place] + bytes((line.leaf[place] ^ 0x55,)) + line.leaf[place + 1 :]
    with pytest.raises(SignatureRefused):
        chain.build(damaged, (), line.trust, AT)
