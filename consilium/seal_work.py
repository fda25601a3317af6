"""What one protocol's seal obtains from outside, each thing once, and the word for having to wait for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from consilium import clock
from consilium.errors import Unavailable
from consilium.parts import Parts
from consilium.seal.errors import SealError, SignatureRefused
from consilium.seal.timestamp import VerifiedTimestamp, verify_token
from consilium.store import seal_works
from consilium.store.failpoint import failpoint
from consilium.store.transaction import Transaction

__all__ = ["Waits", "Work", "waiting"]

# The timestamp authority's certificate itself has ended: its tokens prove nothing any more by themselves.
GONE = frozenset({"TST_REVOKED", "TST_CERT_EXPIRED"})


class Waits(Exception):
    """The seal cannot go on now: for whom it waits, and the code of the last answer."""

    def __init__(self, waits_for: str, reason: str) -> None:
        super().__init__(f"{waits_for}: {reason}")
        self.waits_for = waits_for
        self.reason = reason


@contextmanager
def waiting(waits_for: str) -> Iterator[None]:
    """Whatever refuses here is waited out."""
    try:
        yield
    except (SealError, Unavailable) as error:
        raise Waits(waits_for, error.code) from error


@dataclass(frozen=True, slots=True)
class Work:
    """What one protocol's seal obtains, each thing once. `known` is what was kept when the work began, and since."""

    parts: Parts
    protocol_id: UUID
    known: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def begun(cls, parts: Parts, protocol_id: UUID) -> Work:
        """With everything that earlier runs obtained."""
        with parts.store.read() as reader:
            return cls(parts, protocol_id, seal_works.all_kept(reader.connection, protocol_id))

    def once(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What is kept under that name, made now if it is not there yet."""
        known = self.known.get(name)
        return known if known is not None else self.keep(name, make())

    def keep(self, name: str, content: bytes, *, instead: bool = False) -> bytes:
        """Durable before anything is built on it; of two that made the same thing, the first one's.

        ``instead``: in the place of whatever was kept under that name.
        """
        at = clock.now()

        def kept(tx: Transaction) -> bytes:
            if instead:
                seal_works.forget(tx.connection, self.protocol_id, name)
            return seal_works.keep(tx.connection, self.protocol_id, name, content, at)

        self.known[name] = self.parts.store.run(at, kept)
        return self.known[name]

    def forget(self, name: str) -> None:
        self.parts.store.run(clock.now(), lambda tx: seal_works.forget(tx.connection, self.protocol_id, name))
        self.known.pop(name, None)

    def token(self, covered: bytes) -> VerifiedTimestamp:
        """The timestamp over these bytes, asked for once; a kept one is verified again. Raises Waits."""
        name = f"tst:{hashlib.sha256(covered).hexdigest()}"
        with waiting("timestamp"):
            token = self.once(name, lambda: self.parts.stamps.stamp(covered))
            failpoint("sealing.stamped")
            at = clock.now()
            try:
                trust = self.parts.evidence.trust_for(token, at)
                return verify_token(token, covered=covered, trust=trust, at=at)
            except SignatureRefused as refused:
                # Dropped only where it cannot count again: an earlier proof is worth more than a later one.
                if refused.code in GONE:
                    self.forget(name)
                raise
