"""Adapter to a registry that speaks РЭМД's flow as JSON over HTTP.

The address is the operator's setting and must lie under an allowed base; redirects are never followed and proxies of
the environment are ignored, so a foreign answer cannot send us elsewhere. Answers are read up to a size and within a
total time. There is no state here: the same filing sent twice carries the same key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import requests

from consilium.clock import now
from consilium.filing import callback, wire
from consilium.filing.port import (
    Acknowledgement,
    Filing,
    FilingError,
    Pending,
    Registered,
    RegistryBroken,
    RegistryRefused,
    RegistryUnavailable,
    Rejected,
)

_Message = TypeVar("_Message", bound=msgspec.Struct)
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
ACCEPTED_STATUSES = frozenset({200, 201, 202})
REFUSED_STATUSES = frozenset({400, 409, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemdSettings:
    """Where the registry is and how long to wait for it; times in seconds."""

    base_url: str
    secret: bytes = field(repr=False)
    allowed_bases: tuple[str, ...]
    connect_timeout: float = 5.0
    read_timeout: float = 20.0
    total_timeout: float = 30.0
    max_answer_bytes: int = 256 * 1024


class Remd:
    """A `port.Registry` over HTTP. One instance may be used by one thread at a time."""

    def __init__(self, settings: RemdSettings, clock: Callable[[], datetime] = now) -> None:
        self._settings = settings
        self._clock = clock
        self._base = checked_base(settings.base_url, settings.allowed_bases)
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def register(self, filing: Filing) -> Acknowledgement:
        """Send metadata and signatures. Raises RegistryUnavailable, RegistryRefused, RegistryBroken."""
        body = wire.encode(wire.registration(filing))
        key = filing.idempotency_key
        signature = wire.sign(self._settings.secret, "register", key, body, self._clock())
        headers = {"Content-Type": "application/json", wire.KEY_HEADER: key, **signature}
        status, answer = self._ask("POST", f"{self._base}/register", headers, body)
        if status in ACCEPTED_STATUSES:
            return Acknowledgement(message_id=_decode(answer, wire.Ack).message_id)
        raise _refusal(status, answer)

    def find(self, key: str) -> Registered | Rejected | Pending | None:
        """Ask for the fate of a key. Raises RegistryUnavailable, RegistryRefused, RegistryBroken."""
        headers = wire.sign(self._settings.secret, "find", key, b"", self._clock())
        status, answer = self._ask("GET", f"{self._base}/documents/{key}", headers, b"")
        if status == 404:
            return None
        if status not in ACCEPTED_STATUSES:
            raise _refusal(status, answer)
        found = _decode(answer, wire.Found)
        if found.status == "pending":
            return Pending(message_id=found.message_id)
        try:
            return callback.outcome(found.status, found.registry_item, found.errors)
        except wire.WireError as error:
            raise RegistryBroken(error.message) from error

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        limits = self._settings
        began = time.monotonic()
        try:
            with self._session.request(
                method,
                url,
                data=body or None,
                headers={"Accept": "application/json", **headers},
                timeout=(limits.connect_timeout, limits.read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.is_redirect or 300 <= response.status_code < 400:
                    raise RegistryBroken("The registry answered with a redirect.", "registry_redirect")
                answer = self._read(response, began)
                if response.status_code in RETRY_STATUSES:
                    raise RegistryUnavailable(
                        f"The registry answered {response.status_code}.",
                        retry_after=_seconds(response.headers.get("Retry-After", "")),
                    )
                return response.status_code, answer
        except (requests.ConnectionError, requests.Timeout) as error:
            raise RegistryUnavailable("The registry cannot be reached.") from error
        except requests.RequestException as error:
            raise RegistryBroken("The registry's answer cannot be read.") from error

    def _read(self, response: requests.Response, began: float) -> bytes:
        answer = b""
        for chunk in response.iter_content(16 * 1024):
            answer += chunk
            if len(answer) > self._settings.max_answer_bytes:
                raise RegistryBroken("The registry's answer is too large.", "registry_answer_too_large")
            if time.monotonic() - began > self._settings.total_timeout:
                raise RegistryUnavailable("The registry answers too slowly.")
        return answer


def checked_base(url: str, allowed: tuple[str, ...]) -> str:
    """The base address without a trailing slash. Raises FilingError("registry_address") when it is not allowed."""
    parts = urlsplit(url)
    plain = parts.scheme in {"http", "https"} and parts.hostname and not (parts.username or parts.query)
    if not plain or parts.fragment or not wire.under_allowed_base(url, allowed):
        raise FilingError("The registry's address is not among the allowed ones.", "registry_address")
    return url.rstrip("/")


def _decode(answer: bytes, kind: type[_Message]) -> _Message:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryBroken("The registry's answer is not of the agreed shape.") from error


def _refusal(status: int, answer: bytes) -> FilingError:
    if status in {401, 403}:
        return RegistryRefused("The registry does not know this system.", "registry_access_denied")
    if status in REFUSED_STATUSES:
        rows = _decode(answer, wire.Refusal).errors
        return RegistryRefused("The registry refused the registration.", errors=wire.registry_errors(rows))
    return RegistryBroken(f"The registry answered {status}.")


def _seconds(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None
