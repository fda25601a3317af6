"""ICE on the relay's side: the lite agent of one connection (RFC 8445, sections 2.5 and 7.3; RFC 8489).

It is always controlled, never sends a request and knows no candidates of the browser: whoever proves the password
by a check is admitted, and the check that says USE-CANDIDATE decides where packets go. The forwarder has seen to the
framing, USERNAME and MESSAGE-INTEGRITY before a request comes here; what fails there is never answered.

A browser that moved (NAT rebinding, another network) is followed with its first check, or its first authentic RTCP, from
the new address. Chromium
(2.6 s apart) says USE-CANDIDATE in every check of the pair it uses; Firefox and aioice (4 to 6 s apart) say it once and
never again, so theirs counts when the address used before has not been checked for CONSENT_APART (RFC 7675).
"""

import binascii
import hmac
import secrets
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1
from ipaddress import ip_address

from media.plane.table import ADDRESSES, GENERATIONS, Address, Forwarder, Leg

COOKIE = 0x2112A442
REQUEST, SUCCESS, ERROR = 0x0001, 0x0101, 0x0111
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0006, 0x0008, 0x0009, 0x000A
XOR_MAPPED_ADDRESS, PRIORITY, USE_CANDIDATE = 0x0020, 0x0024, 0x0025
FINGERPRINT, ICE_CONTROLLED, ICE_CONTROLLING = 0x8028, 0x8029, 0x802A
UNDERSTOOD = frozenset({0x0001, USERNAME, MESSAGE_INTEGRITY, 0x0014, 0x0015, PRIORITY, USE_CANDIDATE})
LENGTHS = {PRIORITY: 4, USE_CANDIDATE: 0, ICE_CONTROLLED: 8, ICE_CONTROLLING: 8}

CONSENT_APART = (
    3.5  # seconds; a used address is checked every 2.5 (Chromium) to 6 (RFC 7675, a fifth above 5)
)
SETTLED = 1.0  # seconds in which a lower priority does not replace a pair that is still being checked
CHECKS_A_SECOND = 100  # of one connection; a browser with many addresses makes some dozens

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the browser's checks are recognised by; `generation` counts restarts."""

    ufrag: str
    password: str
    generation: int


@dataclass(frozen=True, slots=True)
class Pair:
    """One of our ports and one address of the browser."""

    port: int
    address: Address


@dataclass(frozen=True, slots=True)
class Check:
    """A binding request after the forwarder's look at it. `attributes`: those before MESSAGE-INTEGRITY."""

    transaction: bytes
    attributes: dict[int, bytes]

    @property
    def local_ufrag(self) -> str:
        return self.attributes.get(USERNAME, b"").partition(b":")[0].decode("ascii", "replace")

    @property
    def priority(self) -> int:
        return int.from_bytes(self.attributes[PRIORITY], "big")


def read_check(data: bytes) -> Check:
    """The attributes of a well-framed request; raises ValueError when the framing is broken after all."""
    if len(data) < 20:
        raise ValueError("no STUN message")
    attributes: dict[int, bytes] = {}
    position = 20
    while position + 4 <= len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, position)
        position += 4
        if kind == MESSAGE_INTEGRITY:  # what follows is not protected by it
            break
        if position + length > len(data):
            raise ValueError("attribute beyond the end")
        attributes.setdefault(kind, data[position : position + length])
        position += length + (-length % 4)
    return Check(data[8:20], attributes)


def respond(kind: int, transaction: bytes, attributes: bytes, password: str) -> bytes:
    """A response with MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489, sections 14.5 and 14.7)."""
    head = _HEADER.pack(kind, len(attributes) + 24, COOKIE, transaction) + attributes
    digest = hmac.digest(password.encode(), head, sha1)
    message = bytearray(head + _ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + digest)
    struct.pack_into("!H", message, 2, len(message) - 20 + 8)
    checksum = binascii.crc32(message) ^ 0x5354554E
    return bytes(message) + _ATTRIBUTE.pack(FINGERPRINT, 4) + checksum.to_bytes(4, "big")


def mapped_address(address: Address, transaction: bytes) -> bytes:
    """XOR-MAPPED-ADDRESS (RFC 8489, section 14.2)."""
    host = ip_address(address[0].partition("%")[0])
    mask = COOKIE.to_bytes(4, "big") + transaction
    value = bytes(one ^ other for one, other in zip(host.packed, mask, strict=False))
    family = 1 if host.version == 4 else 2
    body = struct.pack("!BBH", 0, family, address[1] ^ COOKIE >> 16) + value
    return _ATTRIBUTE.pack(XOR_MAPPED_ADDRESS, len(body)) + body


def error_code(code: int, reason: str) -> bytes:
    body = struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode()
    return _ATTRIBUTE.pack(ERROR_CODE, len(body)) + body + bytes(-len(body) % 4)


def unknown_attributes(kinds: list[int]) -> bytes:
    body = b"".join(kind.to_bytes(2, "big") for kind in kinds)
    return _ATTRIBUTE.pack(UNKNOWN_ATTRIBUTES, len(body)) + body + bytes(-len(body) % 4)


class Agent:
    """Answers the checks of one leg and keeps its pair; `on_pair` is called whenever it changes."""

    def __init__(
        self,
        forwarder: Forwarder,
        leg: Leg,
        on_pair: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pair: Pair | None = None
        self.nominated = False
        self.drops: Counter[str] = Counter()
        self._forwarder = forwarder
        self._leg = leg
        self._on_pair = on_pair
        self._clock = clock
        self._generations: list[Credentials] = []
        self._generation = 0  # whose nomination counts
        self._priority = 0  # of the pair in use
        self._checked: dict[Pair, float] = {}  # admitted, by the time of the last check
        self._allowance, self._allowed_at = float(CHECKS_A_SECOND), clock()
        self.restart()

    @property
    def credentials(self) -> Credentials:
        return self._generations[-1]

    def restart(self) -> Credentials:
        """Fresh credentials (RFC 8445, section 9); those before stay valid until the new ones have a pair."""
        number = self._generations[-1].generation + 1 if self._generations else 0
        fresh = Credentials(secrets.token_hex(4), secrets.token_hex(16), number)
        self._generations = [*self._generations, fresh][-GENERATIONS:]
        self._forwarder.credentials(self._leg, fresh.ufrag, fresh.password)
        return fresh

    def send(self, data: bytes) -> None:
        """To the pair in use; lost while there is none."""
        if self.pair is not None:
            self._forwarder.send(self.pair.port, data, self.pair.address)

    def heard(self, address: Address) -> None:
        """DTLS came from here; before anything is nominated the answer goes where the question came from."""
        if not self.nominated and self.pair is not None and self.pair.address != address:
            used = next((pair for pair in self._checked if pair.address == address), None)
            if used is not None:
                self._use(used, 0)

    def moved(self, port: int, address: Address) -> None:
        """SRTCP that its keys vouch for came from here: a NAT gave the address in use away, the next check says so too.

        As strong as a check, which may be repeated from a forged address by whoever sees it; SRTCP may not be repeated.
        """
        if self.nominated:
            pair = Pair(port, address)
            self._admit(pair, self._clock())
            self._use(pair, self._priority)

    def stun(self, port: int, address: Address, data: bytes) -> None:
        """A request that proved the password: answer it, and follow where it leads."""
        now = self._clock()
        if not self._may_ask(now):
            self.drops["checks"] += 1
            return
        try:
            check = read_check(data)
        except ValueError:
            self.drops["bad_stun"] += 1
            return
        credentials = next((one for one in self._generations if one.ufrag == check.local_ufrag), None)
        if credentials is None or credentials.generation < self._generation:
            self.drops["old_ufrag"] += 1
            return
        refusal = _refusal(check)
        if refusal is not None:
            answer = respond(ERROR, check.transaction, refusal, credentials.password)
            self._forwarder.send(port, answer, address)
            return
        pair, silent = Pair(port, address), now - self._checked.get(self.pair, 0.0) if self.pair else 0.0
        self._admit(pair, now)
        body = mapped_address(address, check.transaction)
        self._forwarder.send(port, respond(SUCCESS, check.transaction, body, credentials.password), address)
        self._follow(pair, check, credentials, silent)

    def _may_ask(self, now: float) -> bool:
        earned = (now - self._allowed_at) * CHECKS_A_SECOND
        self._allowance = min(float(CHECKS_A_SECOND), self._allowance + earned)
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _admit(self, pair: Pair, now: float) -> None:
        """Said again with every check: the address may have been taken for another leg's meanwhile."""
        if pair not in self._checked and len(self._checked) >= ADDRESSES:
            oldest = min((one for one in self._checked if one != self.pair), key=self._checked.__getitem__)
            del self._checked[oldest]
        self._checked[pair] = now
        self._forwarder.admit(self._leg, pair.port, pair.address)
        if (
            self.pair not in {None, pair} and len(self._checked) >= ADDRESSES
        ):  # it must not be the one forgotten
            self._forwarder.admit(self._leg, self.pair.port, self.pair.address)

    def _follow(self, pair: Pair, check: Check, credentials: Credentials, silent: float) -> None:
        """Whether packets go to this pair from now on; `silent`: seconds since the pair in use was checked."""
        moved = pair != self.pair and self.nominated and silent > CONSENT_APART
        if USE_CANDIDATE in check.attributes and self._may_nominate(pair, check, credentials, silent):
            self.nominated = True
            self._generation = credentials.generation
            self._use(pair, check.priority)
        elif self.pair is None or moved:
            self._use(pair, check.priority)

    def _may_nominate(self, pair: Pair, check: Check, credentials: Credentials, silent: float) -> bool:
        """Aggressive nomination names every pair in turn: the best of those that live counts."""
        if not self.nominated or credentials.generation > self._generation or pair == self.pair:
            return True
        return check.priority >= self._priority or silent > SETTLED

    def _use(self, pair: Pair, priority: int) -> None:
        self._priority = priority
        if pair != self.pair:
            self.pair = pair
            self._forwarder.direct(self._leg, pair.port, pair.address)
            self._on_pair()


def _refusal(check: Check) -> bytes | None:
    """The attributes of an error response, or None when the check is in order."""
    attributes = check.attributes
    unknown = [kind for kind in attributes if kind < 0x8000 and kind not in UNDERSTOOD]
    if unknown:
        return error_code(420, "Unknown Attribute") + unknown_attributes(unknown[:16])
    if any(len(attributes[kind]) != length for kind, length in LENGTHS.items() if kind in attributes):
        return error_code(400, "Bad Request")
    if PRIORITY not in attributes:
        return error_code(400, "Bad Request")
    if ICE_CONTROLLING not in attributes:  # a lite agent is always controlled (RFC 8445, section 6.1.1)
        return error_code(487, "Role Conflict")
    return None
