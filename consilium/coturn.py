"""The TURN server that carries media where UDP is blocked: coturn, its secret and its configuration.

Browsers are told the addresses of `CONSILIUM_TURN_URLS` (RFC 7065) and short-lived credentials made from a secret
that coturn knows too (draft-uberti-behave-turn-rest-00; `signaling/turn.py`). The configuration written here lets
coturn relay to the media workers and to nobody else: an open relay inside a hospital's network would be a way into
all of it. Written for coturn 4.6 and later.
"""

import ipaddress
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from consilium.settings import Settings
from consilium.supervise import CannotStart
from consilium.turn import PLAIN_PORT, TLS_PORT, Url, parse

ALLOCATIONS_OF_ONE = 48
"""Two connections, three ways each, an old and a new pair at once, and what a crashed browser left for ten minutes."""
ALLOCATIONS_OF_ALL = 6_000
BYTES_PER_SECOND = 1_500_000
"""Of one allocation: twice what a room of 15 sends to one person."""
NONCE_SECONDS = 600
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all of this kind (BCP 195)."""

EVERYBODY = ("0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
"""With every special range of RFC 6890 and those still to come; who is allowed is named beside it."""


def program() -> str:
    """Full path of coturn; raises CannotStart."""
    found = shutil.which("turnserver")
    if found is None:
        raise CannotStart("Нет coturn: apt install coturn. coturn is missing: apt install coturn.")
    return found


def urls_of_one_machine(settings: Settings) -> tuple[str, ...]:
    """Addresses of a coturn beside the edge: UDP, TCP and, where the edge has a certificate, TLS."""
    host = urlsplit(settings.public_origin).hostname or settings.host
    shown = f"[{host}]" if ":" in host else host
    tls = (f"turns:{shown}:{TLS_PORT}?transport=tcp",) if settings.tls else ()
    return (f"turn:{shown}:{PLAIN_PORT}?transport=udp", f"turn:{shown}:{PLAIN_PORT}?transport=tcp", *tls)


def keep_secret(path: Path) -> str:
    """The secret in this file; made on the first call, readable by its owner alone. Raises OSError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(32) + "\n")
    return path.read_text(encoding="ascii").strip()


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that never had wider rights than its owner's."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as stream:
        stream.write(text)
    fresh.replace(path)


def write_configuration(
    settings: Settings, peers: Sequence[str], listen: Sequence[str], relay: Sequence[str]
) -> Path:
    """`<data_dir>/turn/turnserver.conf`, and the secret where there is none yet; the path of the former.

    Raises ValueError as `configuration`, and OSError.
    """
    path = settings.data_dir / "turn" / "turnserver.conf"
    secret = keep_secret(secret_file(settings))
    text = configuration(settings, secret, peers=peers, listen=listen, relay=relay)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, text)
    return path


def secret_file(settings: Settings) -> Path:
    """The file that is set, else one in the data folder."""
    return settings.turn_secret_file or settings.data_dir / "turn" / "secret"


def configuration(
    settings: Settings,
    secret: str,
    *,
    peers: Sequence[str],
    listen: Sequence[str] = (),
    relay: Sequence[str] = (),
) -> str:
    """The whole turnserver.conf.

    `peers`: addresses of the media workers; `listen`: addresses browsers reach (none: all of the machine);
    `relay`: addresses it speaks to the media workers from. Raises ValueError for what is no address, for no peers,
    and for a `turns:` address without the server's certificate.
    """
    urls = [url for text in settings.turn_urls if (url := parse(text))]
    sections = [
        ["# Written by `consilium turn config`; holds a secret."],
        _who(settings, secret),
        _where(urls, listen, relay),
        _tls(settings, urls),
        _peers([ipaddress.ip_address(one) for one in peers]),
        _limits(),
        ["no-cli", "no-rfc5780", "no-stun-backward-compatibility", "no-software-attribute", "fingerprint"],
        ["log-file=stdout", "simple-log", "pidfile=", f"userdb={settings.data_dir / 'turn' / 'db'}"],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _who(settings: Settings, secret: str) -> list[str]:
    realm = urlsplit(settings.public_origin).hostname or settings.host
    return [
        "use-auth-secret",
        f"static-auth-secret={secret}",
        f"realm={realm}",
        f"stale-nonce={NONCE_SECONDS}",
    ]


def _where(urls: Sequence[Url], listen: Sequence[str], relay: Sequence[str]) -> list[str]:
    ports = {"udp": PLAIN_PORT, "tcp": PLAIN_PORT, "tls": TLS_PORT} | {url.way: url.port for url in urls}
    ways = {url.way for url in urls}
    if {"udp", "tcp"} <= ways and ports["udp"] != ports["tcp"]:
        raise ValueError("turn: over UDP and over TCP must have one port")
    lines = [f"listening-port={ports['udp'] if 'udp' in ways else ports['tcp']}"]
    lines += [f"tls-listening-port={ports['tls']}"]
    lines += [f"no-{way}" for way in ("udp", "tcp", "tls") if way not in ways]
    lines += [f"listening-ip={ipaddress.ip_address(one)}" for one in listen]
    return [*lines, "no-dtls", *(f"relay-ip={ipaddress.ip_address(one)}" for one in relay)]


def _tls(settings: Settings, urls: Sequence[Url]) -> list[str]:
    if all(url.way != "tls" for url in urls):
        return ["# no turns: address, no TLS"]
    if settings.tls_cert is None or settings.tls_key is None:
        raise ValueError("a turns: address needs CONSILIUM_TLS_CERT and CONSILIUM_TLS_KEY")
    files = [f"cert={settings.tls_cert}", f"pkey={settings.tls_key}"]
    return [*files, "no-tlsv1", "no-tlsv1_1", f"cipher-list={CIPHERS}"]


def _peers(peers: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> list[str]:
    """Everybody is denied; an allowed address wins over every denied range that holds it."""
    if not peers:
        raise ValueError("no media worker to relay to")
    loopback = ["allow-loopback-peers"] if any(peer.is_loopback for peer in peers) else []
    denied = [f"denied-peer-ip={one}" for one in EVERYBODY]
    return [
        "no-multicast-peers",
        "no-tcp-relay",
        *loopback,
        *denied,
        *(f"allowed-peer-ip={one}" for one in peers),
    ]


def _limits() -> list[str]:
    return [
        f"user-quota={ALLOCATIONS_OF_ONE}",
        f"total-quota={ALLOCATIONS_OF_ALL}",
        f"max-bps={BYTES_PER_SECOND}",
    ]
