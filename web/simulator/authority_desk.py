"""The authority simulator's three services and how each behaves at the moment."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from consilium import clock
from consilium.seal import der
from consilium.seal.authority import DemoAuthority
from consilium.seal.errors import RequestRefused, SignatureRefused
from consilium.seal.policy import DEMO_ECDSA, POLICIES
from consilium.seal.providers import FileKey, SoftwareKey, load_key
from web.simulator.modes import UnknownModeError
from web.simulator.responder import Responder
from web.simulator.stamper import BAD_REQUEST, GRANTED, NOT_AVAILABLE, Query, Stamper, read_query, rejection

SERVICES = ("tsa", "ocsp", "crl")
BEHAVIOURS = (
    "ok",
    "silent",
    "slow",
    "drip",
    "down",
    "garbage",
    "huge",
    "redirect",
    "refuse",
    "foreign",
    "stale",
)
DEFAULT_SLOWNESS = 10.0


@dataclass(slots=True)
class Desk:
    """What the services know and how each behaves; safe to use from many threads."""

    authority: DemoAuthority
    stamper: Stamper
    responder: Responder
    behaviours: dict[str, str] = field(default_factory=lambda: dict.fromkeys(SERVICES, "ok"))
    asked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, 0))
    changed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path, policy: str = DEMO_ECDSA.id) -> Desk:
        """The authority of this folder, and keys of its services, certified on the first start.

        Whoever comes first makes the authority, this or the product: both by the same signature policy.
        """
        algorithm = "gost256" if POLICIES[policy].gost_bits else "p256"
        authority = DemoAuthority.create(folder, algorithm=algorithm)
        stamper = _service(authority, authority.new_key(), "timestamping", "ДЕМО-TSA / DEMONSTRATION TSA")
        responder, certificate = _service(
            authority, SoftwareKey.generate(), "ocsp", "ДЕМО-OCSP / DEMONSTRATION OCSP"
        )
        if not isinstance(responder, SoftwareKey):
            raise RequestRefused("KEY_UNREADABLE")
        return cls(authority, Stamper(*stamper), Responder(authority, responder, certificate))

    def behave(self, service: str, text: str) -> None:
        """Change how a service (or `all`) behaves. Raises UnknownModeError."""
        name, _, value = text.partition(":")
        number = value.replace(".", "", 1).isdecimal()
        known = name in BEHAVIOURS and service in (*SERVICES, "all")
        if not known or (value and (name != "slow" or not number)):
            raise UnknownModeError(
                f"no such behaviour: {service}={text!r}; known are {', '.join(BEHAVIOURS)}"
            )
        for one in SERVICES if service == "all" else (service,):
            self.behaviours[one] = text
        # Whoever waits for a silent or slow answer is let go: the connection closes, and he asks again.
        before, self.changed = self.changed, threading.Event()
        before.set()

    def answer(self, service: str, query: bytes) -> bytes:
        """An honest answer, or one that is wrong in the way the service has been told."""
        at, behaviour = clock.now(), self.behaviours[service]
        if service == "crl":
            return self.authority.crl(at - timedelta(days=30) if behaviour == "stale" else at)
        if service == "ocsp":
            life = timedelta(minutes=-30) if behaviour == "stale" else timedelta(hours=1)
            return self.responder.reply(query, at, life=life)
        if behaviour in ("refuse", "stale"):
            return rejection(NOT_AVAILABLE)
        return self._foreign(query) if behaviour == "foreign" else self.stamper.reply(query, at)

    def _foreign(self, query: bytes) -> bytes:
        """A token that is good for somebody else's bytes."""
        try:
            asked = read_query(query)
        except SignatureRefused:
            return rejection(BAD_REQUEST)
        imprint = hashlib.shake_256(asked.imprint).digest(len(asked.imprint))
        token = self.stamper.token(
            Query(asked.digest_oid, imprint, asked.nonce, certificate=True), clock.now()
        )
        return der.sequence(der.sequence(der.integer(GRANTED)), token)

    def slowness(self, service: str) -> float:
        """Seconds a slow service lets its askers wait."""
        _, _, value = self.behaviours[service].partition(":")
        return float(value or DEFAULT_SLOWNESS)

    def state(self) -> dict[str, Any]:
        """For the page and for tests."""
        return {"behaviours": dict(self.behaviours), "asked": dict(self.asked)}


def _service(authority: DemoAuthority, key: FileKey, purpose: str, name: str) -> tuple[FileKey, bytes]:
    """The service's own key, made on the first start, and its certificate."""
    path = authority.folder / f"{purpose}.key"
    if not path.exists():
        key.save(path)
    kept = load_key(path)
    return kept, authority.issue_service(kept.csr(), name, purpose, clock.now())
