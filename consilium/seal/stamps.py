"""The timestamps over the whole package, judged from the newest back: each at the time of the next.

Evidence is used only for what it existed in time for: a timestamp is judged by what had been gathered when the next
one was taken, so that nobody can bring a list or certificate made long after with a broken key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from cryptography import x509

from consilium.seal import manifest, tsp
from consilium.seal.errors import SealError, SignatureRefused
from consilium.seal.layers import Layer
from consilium.seal.tight import tighten
from consilium.seal.timestamp import SKEW, VerifiedTimestamp, verify_token
from consilium.seal.trust import TrustStore
from consilium.seal.verdicts import Verdict, plain, refused

__all__ = ["ARCHIVE", "ArchivePolicy", "StampChain", "ends_of"]


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """Which digests carry how far: ``digest`` for the next archive timestamp, and the date each known one ends.

    A digest without a date is good until further notice. Versioned: a new date is a new id.
    """

    id: str
    digest: str
    ends: tuple[tuple[str, datetime | None], ...]

    def end_of(self, digest: str) -> datetime | None:
        """When a digest stops being trusted; the beginning of time for an unknown one."""
        return dict(self.ends).get(digest, datetime.fromtimestamp(0, UTC))


# NIST SP 800-57 part 1 rev. 5 (table 4): SHA-2 is good "2031 and beyond"; the longer one for what is made next.
ARCHIVE = ArchivePolicy(
    id="archive/1",
    digest="sha512",
    ends=(("sha256", None), ("sha384", None), ("sha512", None), ("streebog256", None), ("streebog512", None)),
)


class _Trust(Protocol):
    def __call__(self, upto: int, *, outside: bool = False) -> TrustStore: ...


@dataclass(frozen=True, slots=True)
class StampChain:
    """Verdicts oldest first; ``times`` of the timestamps that are proven; when the newest one's authority ends."""

    verdicts: tuple[Verdict, ...]
    times: tuple[datetime | None, ...]
    good_until: datetime | None

    @property
    def newest(self) -> datetime | None:
        """The time of the newest timestamp."""
        return self.times[-1] if self.times else None

    @classmethod
    def judged(
        cls,
        members: Mapping[str, bytes],
        layers: tuple[Layer, ...],
        trust: _Trust,
        at: datetime | None,
        policy: ArchivePolicy,
    ) -> "StampChain":
        """Judge every layer. ``at`` is the moment of reading; None: that of the newest timestamp itself."""
        verdicts: list[Verdict] = []
        times: list[datetime | None] = []
        until: datetime | None = None
        for layer in reversed(layers):
            newest = layer is layers[-1]
            kind = "archive" if layer.number else "timestamp"
            try:
                if newest:
                    stamp, until = _newest(members, layer, trust(layer.number, outside=True), at)
                else:
                    stamp = _older(members, layer, trust(layer.number + 1), times[0])
                _require_digests(members, layer, stamp, policy, (at or stamp.time) if newest else times[0])
            except SealError as error:
                verdicts.insert(0, refused(layer.token, kind, error))
                times.insert(0, None)
            else:
                verdicts.insert(0, plain(layer.token, kind, "TST_OK", stamp))
                times.insert(0, stamp.time)
        return cls(tuple(verdicts), tuple(times), until)


def _newest(
    members: Mapping[str, bytes], layer: Layer, trust: TrustStore, at: datetime | None
) -> tuple[VerifiedTimestamp, datetime]:
    """The newest timestamp: unrevoked when it was made, by an authority none of whose certificates has ended."""
    claimed = tsp.read_token(members[layer.token]).info.time
    stamp = _verified(members, layer, trust, claimed)
    until = ends_of(stamp.chain)
    moment = at or stamp.time
    if moment > until:
        raise SignatureRefused("TST_CERT_EXPIRED", until=until)
    if stamp.time - moment > SKEW:
        raise SignatureRefused("TST_TIME", time=stamp.time, expected=moment)
    return stamp, until


def _older(
    members: Mapping[str, bytes], layer: Layer, trust: TrustStore, following: datetime | None
) -> VerifiedTimestamp:
    if following is None:
        raise SignatureRefused("TIME_UNPROVEN")
    stamp = _verified(members, layer, trust, following)
    if stamp.time > following:
        raise SignatureRefused("TST_TIME", time=stamp.time, expected=following)
    return stamp


def _verified(
    members: Mapping[str, bytes], layer: Layer, trust: TrustStore, at: datetime
) -> VerifiedTimestamp:
    token = members[layer.token]
    if tighten(token) != token:
        raise SignatureRefused("TST_LOOSE")
    return verify_token(token, covered=members[layer.covered], trust=trust, at=at)


def _require_digests(
    members: Mapping[str, bytes],
    layer: Layer,
    stamp: VerifiedTimestamp,
    policy: ArchivePolicy,
    at: datetime | None,
) -> None:
    """The lists agree with the files, by digests that were still good when the next timestamp came."""
    listed = manifest.require_archive_agreement(members, layer.number) if layer.number else "sha256"
    for digest in (listed, stamp.digest):
        end = policy.end_of(digest)
        if end is not None and (at is None or at >= end):
            raise SignatureRefused("TST_DIGEST_ENDED", algorithm=digest, since=end)


def ends_of(chain: tuple[bytes, ...]) -> datetime:
    """The earliest end of these certificates (DER)."""
    return min(x509.load_der_x509_certificate(der).not_valid_after_utc for der in chain)
