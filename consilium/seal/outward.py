"""One bounded HTTP exchange with an authority: timestamps, revocation lists, OCSP.

A certificate carries addresses, and a hostile certificate carries hostile ones. So only hosts somebody here wrote
down are asked; a name is resolved once and that very address is connected to; redirects and proxies are never
followed; what comes back is bounded in size and in time, also when it comes a byte at a time.
"""

import http.client
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from consilium.seal.errors import AuthoritySilent

__all__ = ["Allowed", "Deadline", "ask"]

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 20.0
CHUNK = 64 * 1024
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whom we may ask: `named` hosts (host or host:port) that certificates may point to, `own` (host, port) of settings.

    What an operator wrote as a full address may lie in a private network; a host merely named must be a public one,
    whatever its name resolves to at that moment.
    """

    named: frozenset[str]
    own: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, hosts: Iterable[str], urls: Iterable[str]) -> "Allowed":
        """From the settings: names of hosts, and whole addresses."""
        parts = [urlsplit(url) for url in urls]
        own = {(part.hostname or "", part.port or PORTS.get(part.scheme, 0)) for part in parts}
        return cls(frozenset(host.casefold() for host in hosts), frozenset(own))

    def permits(self, url: str) -> bool:
        """Whether the address may be asked at all, before anything is resolved."""
        return _target(url) is not None and self._rule(url) != ""

    def address(self, url: str) -> tuple[str, str, int]:
        """(address to connect to, host name, port). Raises AuthoritySilent OUT_HOST, OUT_NAME."""
        target, rule = _target(url), self._rule(url)
        if target is None or not rule:
            raise AuthoritySilent("OUT_HOST", url=url[:200])
        host, port = target
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise AuthoritySilent("OUT_NAME", url=url[:200]) from error
        for *_, address in found:
            if rule == "own" or _is_public(str(address[0])):
                return str(address[0]), host, port
        raise AuthoritySilent("OUT_HOST", url=url[:200])

    def _rule(self, url: str) -> str:
        target = _target(url)
        if target is None:
            return ""
        host, port = target
        if (host, port) in self.own:
            return "own"
        usual = port == PORTS[urlsplit(url).scheme]
        return "named" if f"{host}:{port}" in self.named or (usual and host in self.named) else ""


def ask(
    url: str,
    allowed: Allowed,
    *,
    body: bytes | None = None,
    kind: str = "",
    limit: int,
    seconds: float | None = None,
) -> bytes:
    """GET, or POST of a body of that content type; the body of a 200 answer.

    Raises AuthoritySilent OUT_* for everything else: address not allowed, no connection, another status, a
    redirect, more than `limit` bytes, longer than `seconds` in all (TOTAL_SECONDS if not given).
    """
    address, host, port = allowed.address(url)
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": kind, "Accept": "*/*", "Connection": "close"} if body is not None else {}
    connection = http.client.HTTPConnection(host, port)
    with closing(connection):
        try:
            connection.sock = socket.create_connection((address, port), CONNECT_SECONDS)
            with Deadline(connection.sock, seconds or TOTAL_SECONDS) as deadline:
                if parts.scheme == "https":
                    connection.sock = _secured(connection.sock, host)
                connection.request("POST" if body is not None else "GET", path or "/", body, headers)
                with connection.getresponse() as response:
                    return _answer(response, url, limit, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            log.info("outward.silent", extra={"host": host, "cause": type(error).__name__})
            raise AuthoritySilent("OUT_SILENT", url=url[:200]) from error


class Deadline:
    """Cuts the connection when its time is over: a peer that drips bytes never trips a timeout of its own."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        sock.settimeout(seconds)
        # A handle of its own: TLS takes the other one over.
        self._sock = sock.dup()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.over = False

    def _cut(self) -> None:
        self.over = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._sock.close()


def _answer(response: http.client.HTTPResponse, url: str, limit: int, deadline: Deadline) -> bytes:
    if 300 <= response.status < 400:
        raise AuthoritySilent("OUT_REDIRECT", url=url[:200])
    if response.status != http.client.OK:
        raise AuthoritySilent("OUT_STATUS", url=url[:200], status=response.status)
    content = bytearray()
    while chunk := response.read(min(CHUNK, limit + 1 - len(content))):
        content += chunk
        if len(content) > limit:
            raise AuthoritySilent("OUT_TOO_LARGE", url=url[:200])
    if deadline.over:
        raise AuthoritySilent("OUT_SILENT", url=url[:200])
    return bytes(content)


def _secured(sock: socket.socket, host: str) -> socket.socket:
    """TLS under the name that was asked for, whatever address it led to; the plain socket is used up."""
    return ssl.create_default_context().wrap_socket(sock, server_hostname=host)


def _target(url: str) -> tuple[str, int] | None:
    """Host and port of a plain http(s) address; None for anything cleverer."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    odd = parts.username is not None or parts.password is not None or parts.fragment
    if parts.scheme not in PORTS or not parts.hostname or odd or not url.isascii() or not url.isprintable():
        return None
    return parts.hostname.casefold(), port


# Addresses that are an IPv4 one inside: a gateway (NAT64, 6to4, Teredo) leads back into our own network by them.
WRAPPED = tuple(
    map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"))
)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or found
    wrapped = any(mapped in network for network in WRAPPED if network.version == mapped.version)
    return mapped.is_global and not mapped.is_multicast and not wrapped
