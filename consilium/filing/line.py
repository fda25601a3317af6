"""The line to a registry: one HTTP exchange, bounded in size and time, that goes nowhere but where it was told.

The address is the operator's setting and must lie under an allowed base; redirects are never followed and proxies of
the environment are ignored, so a foreign answer cannot send us elsewhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from consilium.filing import wire
from consilium.filing.port import FilingError, RegistryBroken, RegistryUnavailable

RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
ACCEPTED_STATUSES = frozenset({200, 201, 202})
REFUSED_STATUSES = frozenset({400, 409, 422})
DENIED_STATUSES = frozenset({401, 403})


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
    """Keeps its connections; to be used by one thread at a time. Raises FilingError("registry_address") at once."""

    def __init__(self, settings: LineSettings) -> None:
        self.settings = settings
        self.base = checked_base(settings.base_url, settings.allowed_bases)
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes, *, fault_body: bool = False
    ) -> tuple[int, bytes]:
        """Status and body of the answer. With `fault_body` a 500 is an answer too (SOAP faults come with it).

        Raises RegistryUnavailable, RegistryBroken.
        """
        limits = self.settings
        began = time.monotonic()
        try:
            with self._session.request(
                method,
                f"{self.base}{path}",
                data=body or None,
                headers=headers,
                timeout=(limits.connect_timeout, limits.read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.is_redirect or 300 <= response.status_code < 400:
                    raise RegistryBroken("The registry answered with a redirect.", "registry_redirect")
                answer = self._read(response, began)
                if response.status_code in RETRY_STATUSES and not (
                    fault_body and answer and response.status_code == 500
                ):
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
            if len(answer) > self.settings.max_answer_bytes:
                raise RegistryBroken("The registry's answer is too large.", "registry_answer_too_large")
            if time.monotonic() - began > self.settings.total_timeout:
                raise RegistryUnavailable("The registry answers too slowly.")
        return answer


def checked_base(url: str, allowed: tuple[str, ...]) -> str:
    """The base address without a trailing slash. Raises FilingError("registry_address") when it is not allowed."""
    parts = urlsplit(url)
    plain = parts.scheme in {"http", "https"} and parts.hostname and not (parts.username or parts.query)
    if not plain or parts.fragment or not wire.under_allowed_base(url, allowed):
        raise FilingError("The registry's address is not among the allowed ones.", "registry_address")
    return url.rstrip("/")


def _seconds(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else None
