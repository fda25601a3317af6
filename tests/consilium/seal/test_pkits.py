"""The public key interoperability test suite of NIST (PKITS 1.0.1) against `chain.build`: every end certificate of it.

Whatever the suite calls invalid is refused here, and where the suite tests what we work out, for the reason it is
invalid. What it calls valid holds here, but for the table of what `chain.py` deliberately does not do. Lists and
authorities are the whole directory of the suite at once, as a folder of trust is, and once more those alone that the
suite's own signed message encloses. Data: the package `cryptography-vectors`.
"""

import email
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cryptography_vectors
import pytest
from asn1crypto import cms

from consilium.seal import DEMO_ECDSA_2, RU_UKEP, TrustStore, asn1, chain
from consilium.seal.errors import SignatureRefused

DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2026, 11, 23, tzinfo=UTC)
ANCHOR = (DATA / "certs" / "TrustAnchorRootCertificate.crt").read_bytes()
# Its signature is no DER, so it is no list, and a folder with such a file in it lets nothing through.
UNREADABLE = "BadCRLSignatureCACRL"

# Section of the suite -> what an invalid path of that section is refused for, where we work the matter out.
REASONS: dict[str, dict[str, str]] = {
    "4.1 signatures": {
        "InvalidCASignatureTest2": "UNTRUSTED",
        "InvalidEESignatureTest3": "UNTRUSTED",
        "InvalidDSASignatureTest6": "BAD_CERTIFICATE",
    },
    "4.2 validity": {
        "InvalidCAnotBeforeDateTest1": "CERT_NOT_YET_VALID",
        "InvalidEEnotBeforeDateTest2": "CERT_NOT_YET_VALID",
        "InvalidCAnotAfterDateTest5": "CERT_EXPIRED",
        "InvalidEEnotAfterDateTest6": "CERT_EXPIRED",
        "Invalidpre2000UTCEEnotAfterDateTest7": "CERT_EXPIRED",
    },
    "4.3 names": {
        "InvalidNameChainingTest1": "UNTRUSTED",
        "InvalidNameChainingOrderTest2": "UNTRUSTED",
    },
    "4.4 revocation": {
        "InvalidMissingCRLTest1": "NO_CRL",
        "InvalidRevokedCATest2": "REVOKED",
        "InvalidRevokedEETest3": "REVOKED",
        "InvalidBadCRLSignatureTest4": "NO_CRL",
        "InvalidBadCRLIssuerNameTest5": "NO_CRL",
        "InvalidWrongCRLTest6": "NO_CRL",
        "InvalidUnknownCRLEntryExtensionTest8": "REVOKED",
        "InvalidUnknownCRLExtensionTest9": "REVOKED",
        "InvalidUnknownCRLExtensionTest10": "CRL_STALE",
        "InvalidOldCRLnextUpdateTest11": "CRL_STALE",
        "Invalidpre2000CRLnextUpdateTest12": "CRL_STALE",
        "InvalidNegativeSerialNumberTest15": "BAD_CERTIFICATE",
        "InvalidLongSerialNumberTest18": "REVOKED",
    },
    "4.6 basic constraints, path length": {
        "InvalidMissingbasicConstraintsTest1": "UNTRUSTED",
        "InvalidcAFalseTest2": "UNTRUSTED",
        "InvalidcAFalseTest3": "UNTRUSTED",
        **{f"InvalidpathLenConstraintTest{number}": "UNTRUSTED" for number in (5, 6, 9, 10, 11, 12)},
    },
    "4.7 key usage": {
        "InvalidkeyUsageCriticalkeyCertSignFalseTest1": "UNTRUSTED",
        "InvalidkeyUsageNotCriticalkeyCertSignFalseTest2": "UNTRUSTED",
        "InvalidkeyUsageCriticalcRLSignFalseTest4": "NO_CRL",
        "InvalidkeyUsageNotCriticalcRLSignFalseTest5": "NO_CRL",
    },
    "4.14 lists with a distribution point: every word against counts": {
        "InvaliddistributionPointTest2": "REVOKED",
        "InvaliddistributionPointTest6": "REVOKED",
        "InvalidonlySomeReasonsTest15": "REVOKED",
        "InvalidonlySomeReasonsTest16": "REVOKED",
        "InvalidonlySomeReasonsTest20": "REVOKED",
        "InvalidonlySomeReasonsTest21": "REVOKED",
        "InvalidIDPwithindirectCRLTest23": "REVOKED",
        "InvalidcRLIssuerTest34": "REVOKED",
    },
    "4.15 partial lists: every word against counts, none of them speaks for": {
        "InvaliddeltaCRLIndicatorNoBaseTest1": "CRL_STALE",
        **{f"InvaliddeltaCRLTest{number}": "REVOKED" for number in (3, 4, 6, 9)},
        "InvaliddeltaCRLTest10": "CRL_STALE",
    },
    "4.16 extensions": {"InvalidUnknownCriticalCertificateExtensionTest2": "UNTRUSTED"},
}

# What the suite calls valid and we refuse. (what we do not do and why, pattern of names, codes it ends in)
STRICTER: tuple[tuple[str, str, set[str]], ...] = (
    ("DSA is no algorithm of ours", r"ValidDSA", {"UNTRUSTED", "WEAK_KEY"}),
    (
        "names are compared octet for octet: no folding of spaces, letters or string types",
        r"ValidNameChaining|ValidUTF8StringCase|ValidRollover",
        {"UNTRUSTED"},
    ),
    (
        "no second certificate of an authority under its own name: one key makes certificates and lists",
        r"ValidBasicSelfIssued|ValidSelfIssuedpathLen|ValidSeparateCertificateandCRLKeys",
        {"UNTRUSTED", "CRL_STALE", "NO_CRL"},
    ),
    (
        "an authority under policy constraints, with mapped policies or with a critical anyPolicy limit ends the path",
        r"Valid(SelfIssued)?(requireExplicitPolicy|inhibitPolicyMapping|inhibitAnyPolicy)|ValidPolicyMapping"
        r"|inhibitAnyPolicyTest3|OverlappingPolicies|AllCertificatesSamePolicies|AllCertificatesanyPolicy"
        r"|AnyPolicyTest14|UserNoticeQualifierTest18",
        {"UNTRUSTED"},
    ),
    ("an authority under name constraints ends the path", r"Valid\w+nameConstraints", {"UNTRUSTED"}),
    (
        "a list that covers less than everything of its issuer, or another's certificates, is not used",
        r"ValiddistributionPoint|ValidIDPwith|ValidonlyContains|ValidonlySome|ValidcRLIssuer",
        {"CRL_STALE", "NO_CRL"},
    ),
    ("a partial list that takes a revocation back is not used", r"ValiddeltaCRLTest[57]", {"REVOKED"}),
)
# Certificates whose name does not say what they are; valid unless the inputs of the test ask for a policy.
UNNAMED_VALID = re.compile(
    r"AllCertificates|AnyPolicyTest14|CPSPointer|DifferentPoliciesTest3\b|Overlapping|UserNotice|inhibitAny"
)
UNNAMED_INVALID = re.compile(r"DifferentPoliciesTest(4|5|7|8|9|12)\b")


def files(folder: str, ending: str) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((DATA / folder).glob(f"*.{ending}"))}


CERTIFICATES, LISTS = files("certs", "crt"), files("crls", "crl")
ENDS = [name.removesuffix("EE") for name in CERTIFICATES if name.endswith("EE")]
REFUSED_FOR = {name: code for section in REASONS.values() for name, code in section.items()}


@cache
def directory() -> TrustStore:
    """Everything the suite publishes, as one folder."""
    links = tuple(der for name, der in CERTIFICATES.items() if not name.endswith("EE"))
    return TrustStore((ANCHOR,), links, tuple(der for name, der in LISTS.items() if name != UNREADABLE))


def answer(name: str, trust: TrustStore, **given: object) -> str:
    try:
        chain.build(CERTIFICATES[f"{name}EE"], (), trust, AT, **given)
    except SignatureRefused as refused:
        return refused.code
    return "OK"


def is_valid(name: str) -> bool:
    """What the suite says, by the name it gave."""
    if UNNAMED_INVALID.match(name):
        return False
    return name.startswith("Valid") or UNNAMED_VALID.match(name) is not None


def difference(name: str) -> tuple[str, set[str]] | None:
    found = [(why, codes) for why, pattern, codes in STRICTER if re.match(pattern, name)]
    assert len(found) <= 1, name
    return found[0] if found else None


def test_the_suite_is_whole() -> None:
    assert (len(ENDS), len(CERTIFICATES), len(LISTS)) == (223, 405, 173)
    assert set(REFUSED_FOR) <= set(ENDS)
    assert sum(map(is_valid, ENDS)) == 102


@pytest.mark.parametrize("name", [name for name in ENDS if not is_valid(name)])
def test_what_the_suite_calls_invalid_is_refused(name: str) -> None:
    said = answer(name, directory())
    assert said != "OK"
    assert said == REFUSED_FOR.get(name, said)


@pytest.mark.parametrize("name", [name for name in ENDS if is_valid(name)])
def test_what_the_suite_calls_valid_holds_or_stands_in_the_table(name: str) -> None:
    known = difference(name)
    assert answer(name, directory()) in ({"OK"} if known is None else known[1])


def test_every_row_of_the_table_is_needed() -> None:
    """A difference that is no more would hide the next mistake."""
    for why, pattern, _ in STRICTER:
        names = [name for name in ENDS if is_valid(name) and re.match(pattern, name)]
        assert names, why
        assert all(answer(name, directory()) != "OK" for name in names), why


def test_what_holds_is_what_we_claim() -> None:
    held = [name for name in ENDS if answer(name, directory()) == "OK"]
    assert len(held) == 30
    assert not any(name.startswith("Invalid") for name in held)


def test_the_unreadable_list_lets_nothing_through() -> None:
    crls = (*directory().crls, LISTS[UNREADABLE])
    assert answer("ValidCertificatePathTest1", replace(directory(), crls=crls)) == "NO_CRL"
    own = replace(directory(), crls=(LISTS["TrustAnchorRootCRL"], LISTS[UNREADABLE]))
    assert answer("InvalidBadCRLSignatureTest4", own) == "NO_CRL"


def test_policies_bound_the_keys_of_the_authorities() -> None:
    assert answer("ValidCertificatePathTest1", directory(), policy=DEMO_ECDSA_2) == "OK"
    assert answer("ValidCertificatePathTest1", directory(), policy=RU_UKEP) == "UNTRUSTED"


@pytest.mark.parametrize("proven", [False, True])
def test_a_proven_time_forgives_nothing_of_before_it(proven: bool) -> None:
    for name, code in REFUSED_FOR.items():
        assert answer(name, directory(), proven=proven) == code


def messages() -> Iterator[tuple[str, cms.SignedData]]:
    """The suite's signed messages: the certificates and lists that it means for each path."""
    for path in sorted((DATA / "smime").glob("*.eml")):
        parts = email.message_from_bytes(path.read_bytes()).get_payload()
        yield path.stem, cms.ContentInfo.load(parts[1].get_payload(decode=True))["content"]


def values(content: bytes) -> Iterator[bytes]:
    """The members of a SET as they lie there; asn1crypto writes unique identifiers of names otherwise than it read them."""
    start = 0
    while start < len(content):
        node = asn1.read(content, start, len(content))
        yield node.raw
        start = node.end


def test_with_what_the_suite_encloses_alone_the_answer_is_the_same() -> None:
    by_der = {der: name.removesuffix("EE") for name, der in CERTIFICATES.items() if name.endswith("EE")}
    unlike: dict[str, str] = {}
    met = set()
    for message, signed in messages():
        enclosed = list(values(signed["certificates"].contents))
        (name,) = [by_der[der] for der in enclosed if der in by_der]
        links = tuple(der for der in enclosed if der not in by_der and der != ANCHOR)
        own = TrustStore((ANCHOR,), links, tuple(values(signed["crls"].contents)))
        alone, among_all = answer(name, own), answer(name, directory())
        met.add(name)
        if (alone == "OK") != (among_all == "OK"):
            unlike[message] = f"{alone} / {among_all}"
        if not is_valid(name):
            assert alone != "OK", message
    assert unlike == {}
    assert len(met) > 200
