"""The line to a registry: one HTTP exchange, bounded in size and time, that goes nowhere but where it was told.

The address is the operator's setting and must lie under an allowed base; redirects are never followed and proxies of
the environment are ignored, so a foreign answer cannot send us elsewhere. The connection is cut when its whole time is
over, wherever it is then: a peer that drips a byte at a time never trips a time-out of its own.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from consilium.filing import wire
from consilium.filing.port import FilingError, RegistryBroken, RegistryUnavailable
from consilium.seal.outward import Deadline

RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
ACCEPTED_STATUSES = frozenset({200, 201, 202})
REFUSED_STATUSES = frozenset({400, 409, 422})
DENIED_STATUSES = frozenset({401, 403})
CHUNK = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """Where the registry is and how long to wait for it; times in seconds."""

    base_url: str
    proof: wire.Proof = field(repr=False)
    allowed_bases: tuple[str, ...]
    connect_timeout: float = 5.0
    read_timeout: float = 20.0
    total_timeout: float = 30.0
    max_answer_bytes: int = 256 * 1024


class Line:
    """A connection of its own for every exchange. Raises FilingError("registry_address") at once."""

    def __init__(self, settings: LineSettings) -> None:
        self.settings = settings
        self.base = checked_base(settings.base_url, settings.allowed_bases)

    def close(self) -> None:
        """Nothing is kept open between exchanges."""

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes, *, fault_body: bool = False
    ) -> tuple[int, bytes]:
        """Status and body of the answer. With `fault_body` a 500 is an answer too (SOAP faults come with it).

        Raises RegistryUnavailable, RegistryBroken.
        """
        try:
            status, retry_after, answer = self._exchange(method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            raise RegistryUnavailable("The registry cannot be reached.") from error
        except ValueError as error:
            raise RegistryBroken("The registry cannot be asked.") from error
        if status in RETRY_STATUSES and not (fault_body and answer and status == 500):
            raise RegistryUnavailable(f"The registry answered {status}.", retry_after=_seconds(retry_after))
        return status, answer

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        """Status, Retry-After and body."""
        parts = urlsplit(f"{self.base}{path}")
        limits, host = self.settings, parts.hostname or ""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        connection = http.client.HTTPConnection(host, port)
        # The Host header names a port only where it is not the usual one.
        connection.default_port = 443 if secure else 80
        with closing(connection):
            connection.sock = socket.create_connection((host, port), limits.connect_timeout)
            with Deadline(connection.sock, limits.total_timeout) as deadline:
                connection.sock.settimeout(limits.read_timeout)
                if secure:
                    context = ssl.create_default_context()
                    connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
                connection.request(
                    method, parts.path or "/", body or None, {**headers, "Connection": "close"}
                )
                with connection.getresponse() as response:
                    answer = self._read(response, deadline)
                    return response.status, response.headers.get("Retry-After", ""), answer

    def _read(self, response: http.client.HTTPResponse, deadline: Deadline) -> bytes:
        if 300 <= response.status < 400:
            raise RegistryBroken("The registry answered with a redirect.", "registry_redirect")
        most = self.settings.max_answer_bytes
        answer = bytearray()
        while chunk := response.read(min(CHUNK, most + 1 - len(answer))):
            answer += chunk
            if len(answer) > most:
                raise RegistryBroken("The registry's answer is too large.", "registry_answer_too_large")
        if deadline.over:
            raise RegistryUnavailable("The registry answers too slowly.")
        if response.length:
            raise http.client.IncompleteRead(bytes(answer), response.length)
        return bytes(answer)


def checked_base(url: str, allowed: tuple[str, ...]) -> str:
    """The base address without a trailing slash. Raises FilingError("registry_address") when it is not allowed."""
    parts = urlsplit(url)
    plain = parts.scheme in {"http", "https"} and parts.hostname and not (parts.username or parts.query)
    if not plain or parts.fragment or not wire.under_allowed_base(url, allowed):
        raise FilingError("The registry's address is not among the allowed ones.", "registry_address")
    return url.rstrip("/")


def _seconds(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None
