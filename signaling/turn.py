"""Short-lived credentials for the TURN servers, made for one person (draft-uberti-behave-turn-rest-00).

username = expiry as Unix seconds, a colon, the person's id; credential = base64 of HMAC-SHA1 of it with the secret
that coturn knows. Nothing is kept and nothing asked: coturn refuses a username whose time has passed or whose HMAC
is another's. The id, not the name, is what coturn writes into its log. HMAC-SHA1 is coturn's choice; collisions of
SHA-1 do not weaken an HMAC (RFC 6151, 2.3 argues the same of MD5).
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from consilium.settings import Settings

LIFETIME = timedelta(hours=4)
"""Coturn asks only who opens an allocation: one that is open lives on as long as it is refreshed."""


@dataclass(frozen=True, slots=True)
class TurnServers:
    """What this installation's browsers are told about TURN."""

    urls: tuple[str, ...]
    secret: bytes = field(repr=False)

    @classmethod
    def configured(cls, settings: Settings) -> "TurnServers":
        """Raises OSError when the secret cannot be read."""
        path = settings.turn_secret_file
        secret = path.read_bytes().strip() if settings.turn_urls and path else b""
        return cls(settings.turn_urls, secret)

    def servers(self, person: UUID, at: datetime) -> dict[str, Any]:
        """{"servers": RTCIceServer as the browser takes them, "ttl": seconds}; an empty list where there are none."""
        if not self.urls:
            return {"servers": [], "ttl": 0}
        username, credential = credentials(person, self.secret, at + LIFETIME)
        server = {"urls": list(self.urls), "username": username, "credential": credential}
        return {"servers": [server], "ttl": int(LIFETIME.total_seconds())}


def credentials(person: UUID, secret: bytes, until: datetime) -> tuple[str, str]:
    """(username, credential) that coturn takes until then."""
    username = f"{int(until.timestamp())}:{person}"
    digest = hmac.new(secret, username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode("ascii")
