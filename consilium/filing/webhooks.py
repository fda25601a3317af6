"""Results for the requester's own system: signed, bounded, to an address the operator allowed (FX-02).

Every delivery is a POST with a JSON body of ids and states, no patient, and three headers: `X-Consilium-Delivery`, an id
that stays the same when it is tried again; `X-Consilium-Time`; `X-Consilium-Signature`, the HMAC-SHA256 of `wire.sign`
with purpose "webhook" and the delivery as target. A receiver refuses what is older than five minutes or was there.

Only hosts of the setting are reached: https, or http on this machine; redirects and proxies are not followed. An
address inside the operator's own network is allowed when he names it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken

from consilium.filing import wire
from consilium.settings import Settings

DELIVERY_HEADER = "X-Consilium-Delivery"
MAX_URL = 600


def allowed(url: str, settings: Settings) -> bool:
    """Whether results may go there."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not wire.under_allowed_base(url, (url,)):
        return False
    if not host or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return False
    here = _loopback(host)
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        return False
    shown = f"[{host}]" if ":" in host else host
    named = {one.lower() for one in settings.webhook_hosts}
    if shown in named and port in {None, 443}:
        return True
    return f"{shown}:{port}" in named or (settings.demo and here)


def sealed(secret: str, settings: Settings) -> bytes:
    """The shared secret as it is stored: worthless without the installation's own."""
    return _box(settings).encrypt(secret.encode())


def opened(kept: bytes, settings: Settings) -> bytes | None:
    """The shared secret; None when the installation's own was changed since."""
    try:
        return _box(settings).decrypt(kept)
    except InvalidToken:
        return None


def _box(settings: Settings) -> Fernet:
    key = hmac.new(settings.secret_key.encode(), b"consilium webhook secrets", hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
