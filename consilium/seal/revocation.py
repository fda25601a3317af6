"""Where word about revocation comes from: lists (CRL) and OCSP answers, fetched within bounds and kept.

A list is kept until its authority has a newer one; a list older than the one we have is not taken in its place.
Only hosts of the allow-list and the addresses of the settings are asked, whatever a certificate says.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from consilium import clock
from consilium.seal import asn1, ocsp, outward
from consilium.seal.asn1 import Fields, Node
from consilium.seal.certificates import Certificate, certificate_of
from consilium.seal.crl import RevocationList, list_of
from consilium.seal.errors import AuthoritySilent, SealError, SignatureRefused
from consilium.seal.outward import Allowed
from consilium.seal.providers import write_private
from consilium.seal.trust import TrustStore, crl_from, files_of

__all__ = ["Proof", "Revocation"]

log = logging.getLogger(__name__)

DISTRIBUTION_POINTS, ACCESS, OCSP_ACCESS = "2.5.29.31", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.48.1"
SERVICES = frozenset({"1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"})
URI_TAG = 0x86
LISTS = frozenset({".crl"})
LARGEST_LIST = 32 * 2**20
# A list that is still good is not fetched again within this time, however often seals are made.
REST = timedelta(minutes=10)
MOST_ADDRESSES = 8
SILENT = timedelta(seconds=4)
SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Proof:
    """Word about one certificate: lists of its issuer, OCSP answers, and the responders' certificates."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    responders: tuple[bytes, ...] = ()
    revoked_at: datetime | None = None


@dataclass(slots=True)
class Revocation:
    """The fetcher. `crl_urls` are asked besides what certificates name; `ocsp_url` where they name no responder."""

    allowed: Allowed
    crl_urls: tuple[str, ...]
    ocsp_url: str
    folder: Path
    _asked: dict[str, datetime] = field(default_factory=dict)
    _failed: dict[str, datetime] = field(default_factory=dict)

    def proof(self, certificate: bytes, issuer: bytes, trust: TrustStore, since: datetime) -> Proof:
        """Word about a certificate that is enough to judge a signature proven at `since`.

        An OCSP answer where there is a responder to ask; a list of the issuer always, when one can be had. A silent
        responder is made up for only by a list issued after `since`. Raises AuthoritySilent when that is not to be
        had now, SignatureRefused OCSP_* for a responder that answers wrongly.
        """
        subject, authority = certificate_of(certificate), certificate_of(issuer)
        lists = [one for one in self.lists(subject, authority, trust, since) if one.next_update >= since]
        best = max(lists, key=lambda one: one.this_update, default=None)
        crls = (best.der,) if best else ()
        urls = self._responders(subject)
        if not urls:
            if best is None:
                raise AuthoritySilent("REVOCATION_MISSING")
            return Proof(crls=crls)
        try:
            response, status = self._ocsp(urls, subject, authority)
        except (AuthoritySilent, SignatureRefused):
            if best is not None and best.this_update >= since:
                return Proof(crls=crls)
            raise
        responders = () if status.responder == issuer else (status.responder,)
        return Proof(crls, (response,), responders, status.revoked_at)

    def lists(
        self, subject: Certificate, issuer: Certificate, trust: TrustStore, since: datetime
    ) -> list[RevocationList]:
        """Every list of the issuer that is good now: of what certificates and settings name, or else of the trust."""
        at = clock.now()
        found = []
        for url in dict.fromkeys((*self._named_lists(subject), *self.crl_urls)):
            fetched = self._list(url, since, at, (issuer.der, *trust.roots, *trust.intermediates))
            if fetched is not None:
                found.append(fetched)
        return _good(found, issuer, at) or _good(map(list_of, trust.crls), issuer, at)

    def kept(self) -> tuple[bytes, ...]:
        """Lists fetched before, whatever process fetched them; for who judges without a network."""
        return tuple(der for der in _lists(self.folder).values() if der)

    def refresh(self, certificates: list[bytes], authorities: tuple[bytes, ...] = ()) -> None:
        """Fetch what the settings and these certificates name, so that signatures are judged by fresh lists.

        `authorities`: certificates whose lists are told from a stranger's.
        """
        at = clock.now()
        named = [url for der in certificates for url in self._named_lists(certificate_of(der))]
        for url in dict.fromkeys((*self.crl_urls, *named)):
            self._list(url, at, at, authorities)

    def _list(
        self, url: str, since: datetime, at: datetime, authorities: tuple[bytes, ...]
    ) -> RevocationList | None:
        path = self.folder / f"{hashlib.sha256(url.encode()).hexdigest()}.crl"
        known = _kept(path)
        good = known is not None and known.next_update > at
        rested = at - self._asked.get(url, at - 2 * REST) >= REST
        if good and known is not None and (not rested or _new_enough(known, since, authorities)):
            return known
        try:
            fetched = list_of(crl_from(self._get(url)))
        except SealError as error:
            log.warning("revocation.no_list", extra={"url": url, "cause": error.code})
            return known if good else None
        self._asked[url] = at
        if known is not None and _worse(fetched, known, authorities):
            log.warning("revocation.worse_list", extra={"url": url})
            return known
        write_private(path, fetched.der)
        return fetched

    def _ocsp(
        self, urls: tuple[str, ...], subject: Certificate, issuer: Certificate
    ) -> tuple[bytes, ocsp.OcspStatus]:
        last: SealError = AuthoritySilent("REVOCATION_MISSING")
        for url in urls:
            nonce = secrets.token_bytes(16)
            query = ocsp.request(subject.der, issuer.der, nonce)
            try:
                response = self._get(url, query)
                at = clock.now()
                status = ocsp.status_of(response, subject.der, issuer.der, at, nonce=nonce)
                if status.this_update > at + SKEW:
                    raise SignatureRefused("OCSP_STALE", until=status.next_update)
                return response, status
            except SealError as error:
                log.warning("revocation.no_ocsp", extra={"url": url, "cause": error.code})
                last = error
        raise last

    def _get(self, url: str, query: bytes | None = None) -> bytes:
        """One exchange. Who was silent a moment ago is not waited for again: one seal asks for many certificates."""
        if clock.now() - self._failed.get(url, clock.now() - 2 * SILENT) < SILENT:
            raise AuthoritySilent("OUT_SILENT", url=url[:200])
        limit = LARGEST_LIST if query is None else ocsp.LIMITS.size
        kind = "" if query is None else "application/ocsp-request"
        try:
            return outward.ask(url, self.allowed, body=query, kind=kind, limit=limit)
        except AuthoritySilent as silent:
            if silent.code == "OUT_SILENT":
                self._failed[url] = clock.now()
            raise

    def _responders(self, subject: Certificate) -> tuple[str, ...]:
        named = _uris(subject.extensions.get(ACCESS), OCSP_ACCESS)
        allowed = tuple(url for url in named if self.allowed.permits(url))
        # A timestamp authority's certificate or a CA's is settled by its issuer's list alone.
        own = (self.ocsp_url,) if self.ocsp_url and not subject.ca and not subject.purposes & SERVICES else ()
        return allowed or own

    def _named_lists(self, subject: Certificate) -> tuple[str, ...]:
        named = _uris(subject.extensions.get(DISTRIBUTION_POINTS), "")
        return tuple(url for url in named if self.allowed.permits(url))


def _good(lists: Iterable[RevocationList], issuer: Certificate, at: datetime) -> list[RevocationList]:
    return [one for one in lists if one.usable and one.next_update > at and one.by(issuer)]


def _new_enough(known: RevocationList, since: datetime, authorities: tuple[bytes, ...]) -> bool:
    """Whether nobody need be asked: made after that moment, by somebody we know."""
    return known.this_update >= since and any(known.by(certificate_of(one)) for one in authorities)


def _worse(fetched: RevocationList, known: RevocationList, authorities: tuple[bytes, ...]) -> bool:
    """Whether a list does not take the place of the one we have: nobody we know signed it, or it is an older one.

    Lists come over plain HTTP: what lies in between may answer with anything, and one that names a day to come
    would keep every later one out. So a list's own word on its time counts only between two of the same key.
    """
    theirs, ours = (
        {one.der for one in map(certificate_of, authorities) if each.by(one)} for each in (fetched, known)
    )
    older = fetched.this_update < known.this_update
    if theirs or ours:
        return not theirs or (older and bool(theirs & ours))
    return older and fetched.issuer == known.issuer


def _kept(path: Path) -> RevocationList | None:
    """The list of that file; None where there is none, or what a disk made of one."""
    der = _lists(path.parent).get(path.name)
    try:
        return list_of(der) if der else None
    except SignatureRefused:
        log.warning("revocation.unreadable", extra={"file": path.name})
        return None


def _uris(extension: bytes | None, method: str) -> tuple[str, ...]:
    """Addresses in a CRLDistributionPoints, or those of one access method in an AuthorityInfoAccess."""
    if extension is None:
        return ()
    try:
        found = [
            node.content.decode("ascii")
            for one in asn1.read(extension, 0, len(extension)).expect(asn1.SEQUENCE).children()
            for node in _leaves(one)
            if node.tag == URI_TAG and (not method or Fields(one).take().oid() == method)
        ]
    except (SignatureRefused, UnicodeDecodeError):
        return ()
    return tuple(found[:MOST_ADDRESSES])


def _leaves(node: Node, depth: int = 0) -> Iterator[Node]:
    if node.tag & 0x20 and depth < 6:
        for child in node.children():
            yield from _leaves(child, depth + 1)
    else:
        yield node


def _lists(folder: Path) -> dict[str, bytes]:
    """The lists of the folder by the names of their files; none where nothing was fetched yet."""
    try:
        return dict(files_of(folder, LISTS))
    except FileNotFoundError:
        return {}
