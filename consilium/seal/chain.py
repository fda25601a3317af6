"""Certificate chain and revocation (RFC 5280 6), without any network: what is needed is in the hands of the caller.

A path check of our own and not a library's, because it must know GOST keys, cost microseconds and be stricter
than the standard where chains here never need its freedom: names are compared octet for octet, an authority must
say that it is one and may sign certificates, name and policy constraints and every critical extension unknown
here end the path, partial and indirect lists are not used, a root outside its dates is not believed. Tests
hold it against pyhanko-certvalidator and openssl (what passes here passes there) and against every path of NIST's
PKITS: none that is invalid passes, and the table in `test_pkits.py` names each valid one that does not, and why.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

from consilium.seal.certificates import Certificate, certificate_of, signed_by
from consilium.seal.crl import RevocationList, list_of
from consilium.seal.errors import SignatureRefused
from consilium.seal.ocsp import OcspStatus, status_of
from consilium.seal.policy import Policy, sound_authority
from consilium.seal.trust import TrustStore

__all__ = ["build"]

log = logging.getLogger(__name__)

Path = tuple[Certificate, ...]
LONGEST, MOST_PATHS, MOST_LINKS = 6, 16, 200
# Extensions that may be critical: read here (key usage, constraints, purposes), or without a word about the path.
UNDERSTOOD = frozenset(f"2.5.29.{arc}" for arc in (14, 15, 17, 18, 19, 31, 32, 35, 37)) | {
    "1.3.6.1.5.5.7.1.1"
}
# Name constraints, policy mappings, policy constraints, inhibit anyPolicy: none is worked out here.
CONSTRAINTS = frozenset(("2.5.29.30", "2.5.29.33", "2.5.29.36", "2.5.29.54"))


@dataclass(slots=True)
class _Search:
    """One search: certificates by the name they bear, and how many links may still be tried."""

    roots: frozenset[bytes]
    bearing: dict[bytes, list[Certificate]]
    policy: Policy | None
    left: int = MOST_LINKS

    def paths(self, tail: Path) -> Iterator[Path]:
        """Every chain of good links from the tail to a root, roots first."""
        for issuer in self.bearing.get(tail[-1].issuer, ()):
            if any(issuer.der == one.der for one in tail) or not self._links(tail, issuer):
                continue
            if issuer.der in self.roots:
                yield (*tail, issuer)
            elif not issuer.self_issued and len(tail) < LONGEST:
                yield from self.paths((*tail, issuer))

    def _links(self, tail: Path, issuer: Certificate) -> bool:
        self.left -= 1
        if self.left < 0:
            raise SignatureRefused("UNTRUSTED")
        return (
            _may_issue(issuer, intermediates=len(tail) - 1)
            and sound_authority(issuer.key, self.policy)
            and _keys_agree(tail[-1], issuer)
            and _signed(tail[-1].der, issuer.der)
        )


def build(
    certificate: bytes,
    enclosed: tuple[bytes, ...],
    trust: TrustStore,
    at: datetime,
    *,
    policy: Policy | None = None,
    proven: bool = False,
) -> tuple[bytes, ...]:
    """The chain from the certificate to a trusted root, every link unrevoked at ``at``; DER, signer first.

    ``policy`` bounds the kinds and sizes of the authorities' keys; without one any sound key will do.
    ``proven`` says that a timestamp proves the signature to be no younger than ``at``: then a revocation dated
    after ``at`` does not undo it (EN 319 102-1 5.6.2). Without it any revocation counts, whatever its date.
    Raises SignatureRefused: UNTRUSTED, CERT_EXPIRED, CERT_NOT_YET_VALID, REVOKED, NO_CRL, CRL_STALE,
    BAD_CERTIFICATE, GOST_UNAVAILABLE, and CHECK_FAILED for anything unforeseen.
    """
    try:
        return tuple(link.der for link in _build(certificate, enclosed, trust, at, policy, proven))
    except SignatureRefused:
        raise
    except Exception as error:
        # Fail closed: what a parser lets out on hostile bytes is a refusal, and is logged to be given a code.
        log.warning("seal.chain_failed", exc_info=error)
        raise SignatureRefused("CHECK_FAILED") from error


def _build(
    certificate: bytes,
    enclosed: tuple[bytes, ...],
    trust: TrustStore,
    at: datetime,
    policy: Policy | None,
    proven: bool,  # noqa: FBT001  # named at the door
) -> Path:
    leaf = certificate_of(certificate)
    known = (certificate_of(der) for der in dict.fromkeys((*trust.roots, *enclosed)))
    search = _Search(frozenset(trust.roots), _bearing((*known, *_readable(trust.intermediates))), policy)
    if not leaf.critical <= UNDERSTOOD:
        raise SignatureRefused("UNTRUSTED")
    first: SignatureRefused | None = None
    for number, path in enumerate(search.paths((leaf,))):
        try:
            _require_valid(path, at)
            _require_unrevoked(path, trust, at, proven=proven)
        except SignatureRefused as refused:
            first = first or refused
            if number >= MOST_PATHS:
                break
        else:
            return path
    raise first or SignatureRefused("UNTRUSTED")


def _bearing(certificates: Iterable[Certificate]) -> dict[bytes, list[Certificate]]:
    found: dict[bytes, list[Certificate]] = defaultdict(list)
    for one in {certificate.der: certificate for certificate in certificates}.values():
        found[one.subject].append(one)
    return found


def _readable(links: Iterable[bytes]) -> Iterator[Certificate]:
    """Of a whole folder of authorities one that nobody can read is no link; it must not cut off the others."""
    for der in dict.fromkeys(links):
        try:
            yield certificate_of(der)
        except SignatureRefused as refused:
            log.info("seal.link_unread", extra={"code": refused.code})


def _may_issue(issuer: Certificate, *, intermediates: int) -> bool:
    bounded = issuer.path_length is not None and intermediates > issuer.path_length
    signs = issuer.usage is not None and "key_cert_sign" in issuer.usage
    plain = issuer.critical <= UNDERSTOOD and CONSTRAINTS.isdisjoint(issuer.extensions)
    return issuer.ca and signs and plain and not bounded


def _keys_agree(subject: Certificate, issuer: Certificate) -> bool:
    """Where both name the issuer's key, they name the same one: spares checking against a namesake."""
    return not (subject.authority_key and issuer.subject_key) or subject.authority_key == issuer.subject_key


@lru_cache(maxsize=4096)
def _signed(der: bytes, issuer: bytes) -> bool:
    """Whether the one certificate was signed by the key of the other: a fact of the two byte strings alone."""
    try:
        return signed_by(certificate_of(der).signed, certificate_of(issuer).key)
    except SignatureRefused as refused:
        if refused.code == "GOST_UNAVAILABLE":
            raise
        return False


def _require_valid(path: Path, at: datetime) -> None:
    for link in path:
        if at < link.not_before:
            raise SignatureRefused("CERT_NOT_YET_VALID", since=link.not_before)
        if at > link.not_after:
            raise SignatureRefused("CERT_EXPIRED", until=link.not_after)


def _require_unrevoked(path: Path, trust: TrustStore, at: datetime, *, proven: bool) -> None:
    """Every word against a link counts, of a list or an answer; one current word for it is needed."""
    lists = [list_of(der) for der in trust.crls]
    for link, issuer in pairwise(path):
        own = [one for one in lists if one.by(issuer)]
        answers = list(_answers(link, issuer, trust, at))
        dates = [entry.since for one in own if (entry := one.entry(link.serial))]
        dates += [one.revoked_at for one in answers if one.revoked_at]
        counting = [since for since in dates if not (proven and since > at)]
        if counting:
            raise SignatureRefused("REVOKED", since=min(counting))
        if not any(_speaks(one, link, at) for one in own) and not any(not one.revoked for one in answers):
            raise SignatureRefused("CRL_STALE" if own else "NO_CRL")


def _answers(link: Certificate, issuer: Certificate, trust: TrustStore, at: datetime) -> Iterator[OcspStatus]:
    """What responders say of the certificate; an answer that is not sound or not about it says nothing."""
    for response in trust.ocsps:
        try:
            status = status_of(response, link.der, issuer.der, at)
        except SignatureRefused as refused:
            if refused.code == "GOST_UNAVAILABLE":
                raise
            continue
        # As with a list: after its end nobody keeps books on a certificate.
        if status.revoked or status.this_update <= link.not_after:
            yield status


def _speaks(one: RevocationList, link: Certificate, at: datetime) -> bool:
    """Whether the list is evidence for the certificate at that moment.

    A list newer than the moment says more, not less; but one made after the certificate ended may have dropped it.
    """
    return one.usable and one.next_update >= at and one.this_update <= link.not_after
