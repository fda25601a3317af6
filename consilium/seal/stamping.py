"""Asks a timestamp authority for a token (RFC 3161 over HTTP) and gives back only one that verifies."""

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from consilium import clock
from consilium.seal import outward, tsp
from consilium.seal.errors import AuthoritySilent, SealError, SignatureRefused
from consilium.seal.outward import Allowed
from consilium.seal.timestamp import SKEW, VerifiedTimestamp, verify_token
from consilium.seal.trust import TrustStore

__all__ = ["HttpAuthority", "TimestampAuthority"]

log = logging.getLogger(__name__)

DIGESTS = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
QUERY = "application/timestamp-query"


class TimestampAuthority(Protocol):
    """Whoever can say that bytes existed by now."""

    def stamp(self, covered: bytes, digest: str = "sha256") -> bytes:
        """A verified token (DER) over these bytes. Raises AuthoritySilent, or SignatureRefused TST_*."""
        ...


@dataclass(frozen=True, slots=True)
class HttpAuthority:
    """One or several authorities in order of preference; the next is asked when one is silent or answers wrongly.

    ``trust_for`` completes the trust by what is needed to judge a token (its chain and fresh revocation lists).
    """

    urls: tuple[str, ...]
    allowed: Allowed
    trust_for: Callable[[bytes, datetime], TrustStore]

    def stamp(self, covered: bytes, digest: str = "sha256") -> bytes:
        """As the port says; each authority is asked once, with a nonce of its own."""
        last: SealError = AuthoritySilent("TST_NOT_SET")
        for url in self.urls:
            try:
                return self._ask(url, covered, digest).token
            except SealError as error:
                log.warning("timestamp.refused", extra={"url": url, "cause": error.code})
                last = error
        raise last

    def _ask(self, url: str, covered: bytes, digest: str) -> VerifiedTimestamp:
        nonce = secrets.randbits(63) | 1
        query = tsp.request(DIGESTS[digest], hashlib.new(digest, covered).digest(), nonce)
        reply = outward.ask(url, self.allowed, body=query, kind=QUERY, limit=tsp.LIMITS.size)
        token, at = tsp.read_reply(reply), clock.now()
        stamp = verify_token(token, covered=covered, trust=self.trust_for(token, at), at=at, nonce=nonce)
        if abs(stamp.time - at) > SKEW:
            raise SignatureRefused("TST_TIME", time=stamp.time, expected=at)
        if stamp.digest != digest:
            raise SignatureRefused("TST_IMPRINT")
        return stamp
