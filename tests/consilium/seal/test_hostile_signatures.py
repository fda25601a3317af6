"""Hostile signatures, each wrong in one way, each refused with its own code (the attack table)."""

import base64
import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from consilium.seal import DEMO_ECDSA, ExpectedSigner, SignatureRefused, TrustStore, der, verify
from consilium.seal.cms import OIDS
from consilium.seal.names import names_in
from consilium.seal.reasons import REASONS
from tests.consilium.seal import forge
from tests.consilium.seal.conftest import AT, DOCUMENT, World
from tests.consilium.seal.forge import Forgery, OtherAuthority, Tree


@dataclass(frozen=True)
class Case:
    """What is handed to the verifier; the defaults are what an honest signature would meet."""

    cms: bytes
    document: bytes = DOCUMENT
    trust: TrustStore | None = None
    at: datetime = AT
    signer: ExpectedSigner | None = None
    challenge: datetime | None = AT


def refusal(world: World, case: Case) -> SignatureRefused:
    with pytest.raises(SignatureRefused) as refused:
        verify(
            case.document,
            case.cms,
            policy=DEMO_ECDSA,
            trust=case.trust or world.trust,
            at=case.at,
            signer=case.signer or world.chair.expected,
            signing_time=case.challenge,
        )
    return refused.value


def forged(world: World, **changes: object) -> Case:
    return Case(Forgery(world.chair.key.private, world.chair.certificate, DOCUMENT, AT, **changes).build())


def by_other(changes: dict[str, object], **certificate: object) -> Callable[[World], Case]:
    """A forgery whose certificate another, trusted authority issued with these properties."""

    def make(world: World) -> Case:
        authority = OtherAuthority(AT)
        key = changes.get("key") or ec.generate_private_key(ec.SECP256R1())
        issued = authority.certify(key.public_key(), **certificate)
        rest = {name: value for name, value in changes.items() if name != "key"}
        cms = Forgery(key, issued, DOCUMENT, AT, **rest).build()
        return Case(cms, trust=authority.trust)

    return make


def with_crls(make: Callable[[OtherAuthority, int], tuple[bytes, ...]]) -> Callable[[World], Case]:
    """An honest signature whose issuer's revocation lists are these."""

    def case(world: World) -> Case:
        authority, key = OtherAuthority(AT), ec.generate_private_key(ec.SECP256R1())
        issued = authority.certify(key.public_key())
        crls = make(authority, names_in(issued).serial)
        return Case(
            Forgery(key, issued, DOCUMENT, AT).build(), trust=TrustStore((authority.certificate,), (), crls)
        )

    return case


def good(world: World) -> bytes:
    return world.chair.sign(DOCUMENT)


def stripped(world: World) -> Case:
    """The attributes of an honest signature passed off as the document they sign."""
    honest = Forgery(world.chair.key.private, world.chair.certificate, DOCUMENT, AT)
    document = der.tlv(0x31, honest.encoded_attributes())
    return Case(replace_document(honest, document, signed=False), document=document)


def attributes_as_document(world: World) -> Case:
    honest = Forgery(world.chair.key.private, world.chair.certificate, DOCUMENT, AT)
    document = der.tlv(0x31, honest.encoded_attributes())
    return Case(world.chair.sign(document), document=document)


def replace_document(forgery: Forgery, document: bytes, *, signed: bool) -> bytes:
    return Forgery(forgery.key, forgery.certificate, document, AT, signed=signed).build()


def swapped_certificate(world: World) -> Case:
    """The same key certified twice: the signature is handed over with the other certificate."""
    authority = OtherAuthority(AT)
    key = ec.generate_private_key(ec.SECP256R1())
    first, second = authority.certify(key.public_key()), authority.certify(key.public_key())
    attributes = {"signing_certificate_v2": [forge.reference_to(first)]}
    return Case(Forgery(key, second, DOCUMENT, AT, attributes=attributes).build(), trust=authority.trust)


def false_root(world: World) -> Case:
    """An authority that bears the name of the trusted one, with a key of its own."""
    trusted, impostor, key = OtherAuthority(AT), OtherAuthority(AT), ec.generate_private_key(ec.SECP256R1())
    issued = impostor.certify(key.public_key())
    enclosed = [issued, impostor.certificate]
    cms = Forgery(key, issued, DOCUMENT, AT, certificates=enclosed).build()
    return Case(cms, trust=TrustStore((trusted.certificate,), (), (trusted.crl(), impostor.crl())))


def under_a_root_of(moment: datetime) -> Callable[[World], Case]:
    """A certificate valid now, under a root made at another moment and valid for thirty days."""

    def case(world: World) -> Case:
        authority, key = OtherAuthority(moment), ec.generate_private_key(ec.SECP256R1())
        authority.at = AT
        cms = Forgery(key, authority.certify(key.public_key()), DOCUMENT, AT).build()
        return Case(cms, trust=authority.trust)

    return case


def issued_by_a_person(world: World) -> Case:
    """A doctor's certificate used as if it were an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    impostor = OtherAuthority(AT, key=world.chair.key.private)
    impostor.name = x509.load_der_x509_certificate(world.chair.certificate).subject
    issued = impostor.certify(key.public_key())
    cms = Forgery(key, issued, DOCUMENT, AT, certificates=[issued, world.chair.certificate]).build()
    trust = world.trust.joined(TrustStore((), (), (impostor.crl(),)))
    return Case(cms, trust=trust)


def oddly_certified(
    certify: Callable[[OtherAuthority, ec.EllipticCurvePublicKey], bytes],
) -> Callable[[World], Case]:
    def case(world: World) -> Case:
        authority, key = OtherAuthority(AT), ec.generate_private_key(ec.SECP256R1())
        issued = certify(authority, key.public_key())
        return Case(Forgery(key, issued, DOCUMENT, AT).build(), trust=authority.trust)

    return case


def named(text: str) -> Callable[[World], Case]:
    """A signer whose certificate bears this name."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    return by_other({}, subject=subject)


def indefinite(world: World) -> Case:
    content = good(world)
    return Case(b"\x30\x80" + content[4:] + b"\x00\x00")


def long_length(world: World) -> Case:
    content = good(world)
    return Case(b"\x30\x83\x00" + content[2:])


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = der.sequence(content)
    return content


def edited(*path: int, put: bytes | None) -> Callable[[World], Case]:
    """An honest signature with the value at this place of its tree replaced; taken out if nothing is put."""

    def case(world: World) -> Case:
        tree = Tree.read(good(world))
        node = tree
        for step in path[:-1]:
            node = node.children[step]
        node.children[path[-1] : path[-1] + 1] = [Tree.read(put)] if put else []
        return Case(tree.write())

    return case


def key_identifier(world: World) -> Case:
    return forged(world, sid=der.tlv(0x80, hashlib.sha1(b"key").digest()))


def without(name: str) -> Callable[[World], Case]:
    return lambda world: forged(world, attributes={name: []})


def attribute(name: str, *values: bytes) -> Callable[[World], Case]:
    return lambda world: forged(world, attributes={name: list(values)})


def sha1_reference(certificate: bytes) -> bytes:
    digest = der.octets(hashlib.sha1(certificate).digest())
    return der.sequence(der.sequence(der.sequence(forge.algorithm(forge.SHA1), digest)))


def reference_with_two_issuers(certificate: bytes) -> bytes:
    names = names_in(certificate)
    issuers = der.sequence(der.context(4, names.issuer), der.context(4, names.subject))
    digest = der.octets(hashlib.sha256(certificate).digest())
    reference = der.sequence(digest, der.sequence(issuers, der.integer(names.serial)))
    return der.sequence(der.sequence(reference))


def doubled_attribute(world: World) -> Case:
    def twice(members: list[bytes]) -> list[bytes]:
        return sorted([*members, members[0]])

    return forged(world, order=twice)


def other_attribute(oid: str, value: bytes) -> Callable[[World], Case]:
    return lambda world: forged(world, attributes={oid: [value]})


def protection(digest: str, signature: str) -> bytes:
    return der.sequence(forge.algorithm(digest), der.tlv(0xA1, der.oid(signature)))


def raw_pair(signature: bytes) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))


def flipped(signature: bytes) -> bytes:
    return signature[:-1] + bytes((signature[-1] ^ 1,))


# Places in the tree of an honest signature: ContentInfo -> [0] -> SignedData -> signerInfos -> SignerInfo.
CONTENT, SIGNED_DATA = (1,), (1, 0)
SIGNER = (*SIGNED_DATA, 4, 0)
ZERO_PAIR = der.sequence(der.integer(0), der.integer(0))
ATTACHED = der.context(0, der.octets(DOCUMENT))
OTHER_ATTACHED = der.context(0, der.octets(b"another document"))
TIMESTAMP = der.tlv(0xA1, der.sequence(der.oid("1.2.840.113549.1.9.16.2.14"), der.set_of([der.sequence()])))
PEM = b"-----BEGIN CMS-----\n" + base64.encodebytes(b"anything") + b"-----END CMS-----\n"
STRANGER = ExpectedSigner.person(snils="99988877766", surname="Ёлкина", given="Анна Петровна")
NAMESAKE = ExpectedSigner.person(snils="11223344595", surname="Петрова", given="Анна Петровна")
ORGANISATION = ExpectedSigner.of_organisation(ogrn="1027739552642")
TWO_PERSONS = x509.Name([*forge.person_name(), *forge.person_name("99988877766")])
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)

ATTACKS: list[tuple[str, str, Callable[[World], Case]]] = [
    # The file
    ("empty", "EMPTY", lambda world: Case(b"")),
    ("one octet", "TRUNCATED", lambda world: Case(b"\x30")),
    ("a multi-octet tag", "NOT_DER", lambda world: Case(der.sequence(b"\x1f\x81\x01\x00"))),
    ("PEM instead of DER", "NOT_CMS", lambda world: Case(PEM)),
    ("a zip file", "NOT_CMS", lambda world: Case(b"PK\x03\x04" + bytes(30))),
    ("cut short", "TRUNCATED", lambda world: Case(good(world)[:-20])),
    ("a length of four gigabytes", "TRUNCATED", lambda world: Case(b"\x30\x84\xff\xff\xff\xff" + bytes(40))),
    ("a length of nine octets", "TRUNCATED", lambda world: Case(b"\x30\x89" + bytes(40))),
    ("forty megabytes", "TOO_LARGE", lambda world: Case(bytes(40 << 20))),
    ("nested five thousand deep", "TOO_DEEP", lambda world: Case(nested(5000))),
    ("a hundred thousand values", "TOO_DEEP", lambda world: Case(der.sequence(der.null() * 100_000))),
    ("garbage after the end", "TRAILING_DATA", lambda world: Case(good(world) + b"\0")),
    ("indefinite length", "BER_INDEFINITE", indefinite),
    ("a length with a leading zero", "NOT_DER", long_length),
    ("a string in pieces", "NOT_DER", lambda world: Case(der.sequence(der.tlv(0x24, der.octets(b"a"))))),
    ("enveloped data", "NOT_SIGNED_DATA", lambda world: forged(world, outer_oid="1.2.840.113549.1.7.3")),
    ("an unknown content type", "NOT_SIGNED_DATA", lambda world: forged(world, outer_oid="1.2.3.4")),
    ("two contents", "FORMAT", edited(*CONTENT, 1, put=der.null())),
    ("an identifier with a padded arc", "NOT_DER", edited(0, put=der.tlv(6, b"\x2a\x80\x01"))),
    ("an identifier that does not end", "NOT_DER", edited(0, put=der.tlv(6, b"\x2a\x86"))),
    ("an empty identifier", "NOT_DER", edited(0, put=der.tlv(6, b""))),
    ("an identifier of a thousand octets", "NOT_DER", edited(0, put=der.tlv(6, b"\x2a" * 1000))),
    ("a padded number", "NOT_DER", edited(*SIGNED_DATA, 0, put=der.tlv(2, b"\0\1"))),
    ("a number without octets", "NOT_DER", edited(*SIGNED_DATA, 0, put=der.tlv(2, b""))),
    ("another version of the file", "FORMAT", edited(*SIGNED_DATA, 0, put=der.integer(3))),
    ("another version of the signer", "FORMAT", edited(*SIGNER, 0, put=der.integer(3))),
    ("a signature without its value", "FORMAT", edited(*SIGNER, 5, put=None)),
    ("a null that is not empty", "NOT_DER", edited(*SIGNER, 2, 1, put=der.tlv(5, b"x"))),
    ("a field nobody knows", "FORMAT", lambda world: forged(world, extra=der.null())),
    ("enclosed revocation lists", "FORMAT", lambda world: forged(world, crls=der.context(1, der.sequence()))),
    # The shape of the signature
    ("attributes stripped off", "NO_SIGNED_ATTRS", stripped),
    ("attributes as the document", "DOCUMENT_IS_ATTRS", attributes_as_document),
    ("attached, the same document", "ATTACHED", lambda world: forged(world, content=ATTACHED)),
    ("attached, another document", "ATTACHED", lambda world: forged(world, content=OTHER_ATTACHED)),
    ("two signers", "SIGNER_COUNT", lambda world: forged(world, signers=2)),
    ("no signer", "SIGNER_COUNT", lambda world: forged(world, signers=0)),
    ("signer by key identifier", "FORMAT", key_identifier),
    ("attributes out of order", "ATTRS_NOT_DER", lambda world: forged(world, order=backwards)),
    ("content of another type", "CONTENT_TYPE", lambda world: forged(world, content_oid="1.2.3")),
    ("a transplanted timestamp", "UNSIGNED_ATTRS", lambda world: forged(world, unsigned=TIMESTAMP)),
    (
        "no unsigned attributes, but room for them",
        "FORMAT",
        lambda world: forged(world, unsigned=der.tlv(0xA1, b"")),
    ),
    # Signed attributes
    ("no contentType", "ATTR_MISSING", without("content_type")),
    ("no messageDigest", "ATTR_MISSING", without("message_digest")),
    ("no signingTime", "ATTR_MISSING", without("signing_time")),
    ("no signingCertificateV2", "ATTR_MISSING", without("signing_certificate_v2")),
    ("an attribute twice", "ATTR_DUPLICATED", doubled_attribute),
    (
        "two values of one attribute",
        "ATTR_DUPLICATED",
        attribute("signing_time", der.time(AT), der.time(AT + DAY)),
    ),
    ("contentType of other data", "CONTENT_TYPE", attribute("content_type", der.oid("1.2.3"))),
    ("a digest that is no string", "FORMAT", attribute("message_digest", der.integer(7))),
    ("a time that is no time", "NOT_DER", attribute("signing_time", der.tlv(0x17, b"261323093015Z"))),
    ("a time without seconds", "NOT_DER", attribute("signing_time", der.tlv(0x17, b"2611230930Z"))),
    (
        "protection names another digest",
        "ALG_MISMATCH",
        other_attribute(OIDS["algorithm_protection"], protection(forge.SHA384, forge.ECDSA_SHA256)),
    ),
    (
        "the old certificate reference",
        "SIGNING_CERT_REF",
        other_attribute(OIDS["signing_certificate"], der.sequence()),
    ),
    (
        "a reference to another certificate",
        "SIGNING_CERT_REF",
        lambda world: attribute("signing_certificate_v2", forge.reference_to(world.member.certificate))(
            world
        ),
    ),
    (
        "a reference to another serial",
        "SIGNING_CERT_REF",
        lambda world: attribute(
            "signing_certificate_v2", forge.reference_to(world.chair.certificate, serial_shift=1)
        )(world),
    ),
    (
        "a certificate reference by SHA-1",
        "WEAK_DIGEST",
        lambda world: attribute("signing_certificate_v2", sha1_reference(world.chair.certificate))(world),
    ),
    (
        "a certificate reference with two issuers",
        "SIGNING_CERT_REF",
        lambda world: attribute(
            "signing_certificate_v2", reference_with_two_issuers(world.chair.certificate)
        )(world),
    ),
    ("the same key, another certificate", "SIGNING_CERT_REF", swapped_certificate),
    # Algorithms and mathematics
    ("SHA-1", "WEAK_DIGEST", lambda world: forged(world, digest=hashes.SHA1(), digest_oid=forge.SHA1)),
    (
        "two digests in one signature",
        "ALG_MISMATCH",
        lambda world: forged(world, signature_oid=forge.ECDSA_SHA384),
    ),
    (
        "a digest the list does not name",
        "ALG_MISMATCH",
        lambda world: forged(world, digest_set=[forge.SHA384]),
    ),
    (
        "RSA named for an elliptic key",
        "ALG_MISMATCH",
        lambda world: forged(world, signature_oid=forge.RSA_SHA256),
    ),
    ("Ed25519 named", "UNKNOWN_ALGORITHM", lambda world: forged(world, signature_oid=forge.ED25519)),
    ("a digest of no known kind", "UNKNOWN_ALGORITHM", lambda world: forged(world, digest_oid="1.2.3.4")),
    ("P-384", "WEAK_KEY", by_other({"key": ec.generate_private_key(ec.SECP384R1())})),
    (
        "RSA of 1024 bits",
        "WEAK_KEY",
        by_other({"key": forge.rsa_key(1024), "signature_oid": forge.RSA_SHA256}),
    ),
    ("a key of an unknown kind", "WEAK_KEY", oddly_certified(OtherAuthority.certify_unknown_key)),
    ("the document changed", "DIGEST_MISMATCH", lambda world: Case(good(world), document=DOCUMENT + b" ")),
    (
        "line ends changed",
        "DIGEST_MISMATCH",
        lambda world: Case(good(world), document=DOCUMENT.replace(b"\r\n", b"\n")),
    ),
    ("a bit of the signature", "BAD_SIGNATURE", lambda world: forged(world, signature=flipped)),
    ("a raw pair instead of DER", "BAD_SIGNATURE", lambda world: forged(world, signature=raw_pair)),
    ("zeros for a signature", "BAD_SIGNATURE", lambda world: forged(world, signature=lambda _: ZERO_PAIR)),
    ("no signature value", "BAD_SIGNATURE", lambda world: forged(world, signature=lambda _: b"")),
    # The certificate
    ("no certificate", "NO_CERTIFICATE", lambda world: forged(world, certificates=[])),
    (
        "only a stranger's certificate",
        "NO_CERTIFICATE",
        lambda world: forged(world, certificates=[world.member.certificate]),
    ),
    (
        "a stranger's certificate besides",
        "EXTRA_CERTIFICATE",
        lambda world: forged(world, certificates=[world.chair.certificate, world.member.certificate]),
    ),
    (
        "one certificate twice",
        "EXTRA_CERTIFICATE",
        lambda world: forged(world, certificates=[world.chair.certificate] * 2),
    ),
    ("an authority signs", "CA_AS_SIGNER", by_other({}, ca=True)),
    ("a certificate for key exchange", "KEY_USAGE", by_other({}, usage=("key_agreement",))),
    ("a certificate for web servers", "EKU_ROLE", by_other({}, extended=ExtendedKeyUsageOID.SERVER_AUTH)),
    ("a name that redraws the terminal", "BAD_CERTIFICATE", named("\x1b[2JИванова")),
    ("a certificate of two persons", "BAD_CERTIFICATE", by_other({}, subject=TWO_PERSONS)),
    (
        "a certificate with an unreadable name",
        "BAD_CERTIFICATE",
        oddly_certified(OtherAuthority.certify_unreadable_name),
    ),
    ("a name that runs backwards", "BAD_CERTIFICATE", named("Ива\u202eнова")),
    ("expired", "CERT_EXPIRED", by_other({}, since=-2 * DAY, until=-DAY)),
    ("not valid yet", "CERT_NOT_YET_VALID", by_other({}, since=DAY)),
    ("certified with SHA-1", "UNTRUSTED", oddly_certified(OtherAuthority.certify_with_sha1)),
    ("a root nobody trusts", "UNTRUSTED", lambda world: replace(by_other({})(world), trust=world.trust)),
    ("a root that has expired", "CERT_EXPIRED", under_a_root_of(AT - 40 * DAY)),
    ("a root of tomorrow", "CERT_NOT_YET_VALID", under_a_root_of(AT + DAY)),
    ("no trust at all", "UNTRUSTED", lambda world: Case(good(world), trust=TrustStore(()))),
    ("a false root of the right name", "UNTRUSTED", false_root),
    ("certified by a doctor", "UNTRUSTED", issued_by_a_person),
    ("revoked", "REVOKED", with_crls(lambda authority, serial: (authority.crl(serial),))),
    (
        "revoked, with an older list besides",
        "REVOKED",
        with_crls(lambda authority, serial: (authority.crl(since=-MINUTE), authority.crl(serial))),
    ),
    (
        "revoked the day after",
        "REVOKED",
        with_crls(lambda authority, serial: (authority.crl(serial, revoked_at=AT + DAY),)),
    ),
    (
        "revoked by a newer list",
        "REVOKED",
        with_crls(lambda authority, serial: (authority.crl(serial, since=DAY, revoked_at=AT + DAY),)),
    ),
    ("no revocation list", "NO_CRL", with_crls(lambda authority, serial: ())),
    (
        "a list of another authority",
        "NO_CRL",
        with_crls(lambda authority, serial: (OtherAuthority(AT, "Third").crl(),)),
    ),
    (
        "a forged list",
        "NO_CRL",
        with_crls(lambda authority, serial: (authority.crl(key=ec.generate_private_key(ec.SECP256R1())),)),
    ),
    ("a list that is rubbish", "NO_CRL", with_crls(lambda authority, serial: (b"rubbish",))),
    (
        "a list out of date",
        "CRL_STALE",
        with_crls(lambda authority, serial: (authority.crl(since=-2 * DAY, life=DAY),)),
    ),
    # The person and the moment
    ("another person", "SIGNER_MISMATCH", lambda world: Case(good(world), signer=STRANGER)),
    ("a person of another name", "SIGNER_MISMATCH", lambda world: Case(good(world), signer=NAMESAKE)),
    (
        "a person instead of the organisation",
        "SIGNER_MISMATCH",
        lambda world: Case(good(world), signer=ORGANISATION),
    ),
    (
        "nobody in particular expected",
        "SIGNER_MISMATCH",
        lambda world: Case(good(world), signer=ExpectedSigner()),
    ),
    (
        "signed six minutes early",
        "SIGNING_TIME_SKEW",
        lambda world: Case(world.chair.sign(DOCUMENT, AT - 6 * MINUTE)),
    ),
    (
        "signed six minutes late",
        "SIGNING_TIME_SKEW",
        lambda world: Case(world.chair.sign(DOCUMENT, AT + 6 * MINUTE)),
    ),
    (
        "signed in the future",
        "SIGNING_TIME_SKEW",
        lambda world: Case(world.chair.sign(DOCUMENT, AT + DAY), challenge=None),
    ),
    (
        "signed before the certificate",
        "CERT_NOT_YET_VALID",
        lambda world: Case(world.chair.sign(DOCUMENT, AT - DAY), challenge=None),
    ),
]


def backwards(members: list[bytes]) -> list[bytes]:
    return sorted(members, reverse=True)


@pytest.mark.parametrize(
    "code, make", [attack[1:] for attack in ATTACKS], ids=[attack[0] for attack in ATTACKS]
)
def test_a_hostile_signature_is_refused_with_its_own_code(
    world: World, code: str, make: Callable[[World], Case]
) -> None:
    refused = refusal(world, make(world))
    assert refused.code == code
    assert refused.message("ru")
    assert refused.message("en")


def test_the_forger_makes_a_good_signature_when_nothing_is_changed(world: World) -> None:
    case = forged(world)
    held = verify(
        DOCUMENT,
        case.cms,
        policy=DEMO_ECDSA,
        trust=world.trust,
        at=AT,
        signer=world.chair.expected,
        signing_time=AT,
    )
    assert held.signer.snils == "11223344595"


def test_a_moment_is_spoken_in_the_language_of_the_reader() -> None:
    refused = SignatureRefused("CERT_EXPIRED", until=AT)
    assert "23.11.2026 09:30:15 UTC" in refused.message("ru")
    assert "2026-11-23 09:30:15 UTC" in refused.message("en")


def test_verdicts_do_not_depend_on_what_other_threads_verify(world: World) -> None:
    honest, trust = good(world), world.trust

    def judged(number: int) -> str:
        cms = honest if number % 2 else flipped(honest)
        try:
            verify(DOCUMENT, cms, policy=DEMO_ECDSA, trust=trust, at=AT, signer=world.chair.expected)
        except SignatureRefused as refused:
            return refused.code
        return "OK"

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(judged, range(200))) == ["BAD_SIGNATURE", "OK"] * 100


def test_every_refusal_has_a_sentence_in_both_languages() -> None:
    for code, (russian, english) in REASONS.items():
        assert code == code.upper()
        assert any("а" <= letter <= "я" for letter in russian), code
        assert not any("а" <= letter <= "я" for letter in english), code


def test_a_mutated_signature_is_never_accepted_and_never_escapes_as_another_error(world: World) -> None:
    """Random damage: bits, octets, cuts, doubled pieces. Seeded, so that a failure can be repeated."""
    chance, original = random.Random(20261123), good(world)
    codes = {refusal(world, Case(mutant)).code for mutant in mutants(original, chance, 3000)}
    assert {"TRUNCATED", "TRAILING_DATA", "BAD_SIGNATURE", "FORMAT"} <= codes
    assert "CHECK_FAILED" not in codes


def test_a_rebuilt_signature_is_accepted_only_with_its_meaning_unchanged(world: World) -> None:
    """Well-formed damage: values of the tree dropped, doubled, swapped, retagged, with lengths made right again."""
    chance, original = random.Random(7), good(world)
    honest = held(world, original)
    for _ in range(2000):
        assert outcome(world, rebuilt(original, chance)) in (honest, "refused")


def outcome(world: World, cms: bytes) -> object:
    """What was verified, or "refused"; a refusal for want of a better code is a fault of ours."""
    try:
        return held(world, cms)
    except SignatureRefused as refused:
        return "refused" if refused.code != "CHECK_FAILED" else refused


def held(world: World, cms: bytes) -> object:
    return verify(
        DOCUMENT,
        cms,
        policy=DEMO_ECDSA,
        trust=world.trust,
        at=AT,
        signer=world.chair.expected,
        signing_time=AT,
    )


def mutants(original: bytes, chance: random.Random, count: int) -> list[bytes]:
    made = (mutant(original, chance) for _ in range(count))
    return [changed for changed in made if changed != original]


def mutant(original: bytes, chance: random.Random) -> bytes:
    place, size = chance.randrange(len(original)), chance.randrange(1, 9)
    match chance.randrange(5):
        case 0:
            return (
                original[:place]
                + bytes((original[place] ^ 1 << chance.randrange(8),))
                + original[place + 1 :]
            )
        case 1:
            return original[:place] + chance.randbytes(size) + original[place + size :]
        case 2:
            return original[:place] + original[place + size :]
        case 3:
            return original[:place] + chance.randbytes(size) + original[place:]
        case _:
            return original[:place] + original[place - size : place] + original[place:]


def rebuilt(original: bytes, chance: random.Random) -> bytes:
    """The file with one value of its tree changed; enclosing lengths are written anew."""
    tree = Tree.read(original)
    branch = chance.choice([node for node in tree.walk() if node.children])
    place = chance.randrange(len(branch.children))
    match chance.randrange(5):
        case 0:
            del branch.children[place]
        case 1:
            branch.children.insert(place, branch.children[place])
        case 2:
            chance.shuffle(branch.children)
        case 3:
            branch.children.insert(place, Tree(0x05, b"", []))
        case _:
            old = branch.children[place]
            branch.children[place] = Tree(
                chance.choice([2, 4, 5, 6, 0x30, 0x31, 0xA0, 0xA1]), old.content, old.children
            )
    return tree.write()
