"""Addresses of TURN servers as browsers are told them (RFC 7065)."""

import re
from dataclasses import dataclass
from typing import Literal

PLAIN_PORT, TLS_PORT = 3478, 5349
"""Where a TURN server is looked for when its address has no port (RFC 7065, 3.2)."""

_URL = re.compile(
    r"(?P<scheme>turns?):(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True, slots=True)
class Url:
    """One TURN address: `turn:HOST[:PORT][?transport=udp|tcp]`, or `turns:` for TLS."""

    host: str
    port: int
    way: Literal["udp", "tcp", "tls"]


def parse(text: str) -> Url | None:
    """None for anything else, and for TLS over UDP, which browsers do not speak."""
    found = _URL.fullmatch(text)
    if found is None:
        return None
    secure = found["scheme"] == "turns"
    port = int(found["port"] or (TLS_PORT if secure else PLAIN_PORT))
    if not 0 < port < 2**16 or (secure and found["transport"] == "udp"):
        return None
    plain: Literal["udp", "tcp"] = "tcp" if found["transport"] == "tcp" else "udp"
    return Url(found["host"], port, "tls" if secure else plain)
