"""`consilium doctor`: one screen that says what this installation stands on, what is missing, and what to do.

Every look is a line: well, a warning (it works, but worse than it could), or bad (exit status 1). A part that simply
does not run just now is a warning: the doctor is asked before the start too.
"""

import ctypes
import importlib.util
import shutil
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from consilium import clock, relays, supervise, turn
from consilium.settings import Settings, variable
from consilium.upkeep import opened

State = Literal["ok", "warning", "bad"]
Language = Literal["ru", "en"]

WORDS: dict[Language, dict[State, str]] = {
    "ru": {"ok": "OK", "warning": "ВНИМАНИЕ", "bad": "ПЛОХО"},
    "en": {"ok": "OK", "warning": "WARNING", "bad": "BAD"},
}
LOW_DISK = 2**30
UDP_BUFFER = 4 * 2**20
"""Bytes a media worker asks for; with less the kernel drops packets while the worker is away for some milliseconds."""
SKEW = 2.0
"""Seconds; a signature more than five minutes off is refused, and leases are times too."""
WITHIN = 2.0
LATE_SEAL = timedelta(hours=1)
_UNSYNCHRONISED = 5  # adjtimex(2): TIME_ERROR
_TIMEX = 208  # bytes of struct timex, and some more


@dataclass(frozen=True, slots=True)
class Look:
    """One line: of what, how it is, and the same sentence in both languages."""

    name: str
    state: State
    ru: str
    en: str


def examine(settings: Settings, language: Language = "ru") -> tuple[list[str], int]:
    """The lines of the screen, and the exit status: 1 when something is bad."""
    found = list(looks(settings))
    width = max(map(len, WORDS[language].values()))
    lines = [
        f"{WORDS[language][look.state]:{width}}  {look.name}: {look.ru if language == 'ru' else look.en}"
        for look in found
    ]
    return lines, 1 if any(look.state == "bad" for look in found) else 0


def looks(settings: Settings) -> Iterator[Look]:
    """In the order in which things stand on each other."""
    yield _kept("data", lambda: _data(settings))
    yield _kept("database", lambda: _database(settings))
    yield _kept("tls", lambda: _tls(settings))
    yield _clock()
    if settings.redis_url:
        yield _redis(settings.redis_url)
    yield _openssl()
    yield _gost(settings)
    yield _kept("official", lambda: _official(settings))
    yield _kept("timestamps", lambda: _timestamps(settings))
    yield _kept("seals", lambda: _seals(settings))
    yield _edge(settings)
    for address in settings.media_controls:
        yield _media(settings, address)
    yield _udp()
    for url in settings.turn_urls:
        yield _turn(url)
    if not settings.turn_urls:
        yield Look(
            "turn",
            "warning",
            "не задан: за брандмауэром без UDP участник останется без звука и видео "
            f"({variable('turn_urls')}, consilium turn config)",
            "not set: behind a firewall without UDP a participant has neither sound nor picture "
            f"({variable('turn_urls')}, consilium turn config)",
        )


def _kept(name: str, look: Callable[[], Look]) -> Look:
    try:
        return look()
    except (supervise.CannotStart, OSError) as error:
        return Look(name, "bad", str(error), str(error))


def _data(settings: Settings) -> Look:
    supervise.check_disk(settings.data_dir)
    free = shutil.disk_usage(settings.data_dir).free
    state: State = "ok" if free > LOW_DISK else "warning"
    gigabytes = f"{free / 2**30:.1f}"
    return Look(
        "data",
        state,
        f"{settings.data_dir}, свободно {gigabytes} ГБ",
        f"{settings.data_dir}, {gigabytes} GB free",
    )


def _database(settings: Settings) -> Look:
    import sqlalchemy as sa

    with opened(settings) as parts, parts.store.read() as reader:
        kind, count = parts.store.engine.dialect.name, len(reader.organisations())
        theirs = None if settings.sqlite else reader.connection.execute(sa.text("SELECT now()")).scalar_one()
    off = abs((theirs - clock.now()).total_seconds()) if isinstance(theirs, datetime) else 0.0
    if off > SKEW:
        return Look(
            "database",
            "bad",
            f"{kind}: её часы расходятся со здешними на {off:.0f} с, настройте NTP на обеих машинах",
            f"{kind}: its clock is {off:.0f} s off ours, set up NTP on both machines",
        )
    return Look(
        "database",
        "ok",
        f"{kind}, подтверждённое не теряется, организаций {count}",
        f"{kind}, what is acknowledged is kept, {count} organisations",
    )


def _tls(settings: Settings) -> Look:
    supervise.check_network(settings)
    supervise.check_certificate(settings)
    if settings.tls_cert is None:
        return Look(
            "tls", "ok", "только эта машина или прокси перед ней", "this machine alone, or a proxy before it"
        )
    days = (_expires(settings.tls_cert) - clock.now()).days
    state: State = "bad" if days < 0 else "warning" if days < 21 else "ok"
    return Look(
        "tls", state, f"{settings.tls_cert}, осталось дней: {days}", f"{settings.tls_cert}, {days} days left"
    )


def _expires(certificate: Path) -> datetime:
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.astimezone(UTC)


def _clock() -> Look:
    """Whether the kernel knows its clock to be kept by NTP; asked without asking any foreign host."""
    answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX * 2))
    if answer in (_UNSYNCHRONISED, -1):
        return Look(
            "clock",
            "warning",
            "ядро не знает о синхронизации: проверьте chrony или systemd-timesyncd",
            "the kernel knows of no synchronisation: look at chrony or systemd-timesyncd",
        )
    return Look("clock", "ok", "синхронизированы", "kept by NTP")


def _redis(url: str) -> Look:
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=WITHIN, socket_connect_timeout=WITHIN) as client:
            version = str(client.info("server")["redis_version"])
    except redis.RedisError as error:
        return Look("redis", "bad", f"не отвечает: {error}", f"does not answer: {error}")
    return Look("redis", "ok", version, version)


def _openssl() -> Look:
    found = shutil.which("openssl")
    if found is None:
        return Look(
            "openssl",
            "bad",
            "нет: пакеты не проверить второй программой; apt install -y openssl",
            "missing: no second judge of packages; apt install -y openssl",
        )
    return Look("openssl", "ok", found, found)


def _gost(settings: Settings) -> Look:
    """Whether GOST signatures can be checked: needed by ru-ukep/1, without use to a demonstration on P-256."""
    from consilium.seal import gost
    from consilium.seal.errors import SignatureRefused
    from consilium.seal.policy import POLICIES

    try:
        found = gost.version()
    except SignatureRefused as refused:
        needed = bool(POLICIES[settings.signature_policy].gost_bits)
        remedy = "apt install -y libengine-gost-openssl"
        return Look(
            "gost",
            "bad" if needed else "warning",
            f"{refused.message('ru')} {remedy}",
            f"{refused.message('en')} {remedy}",
        )
    return Look("gost", "ok", found, found)


def _official(settings: Settings) -> Look:
    """Which guides and dictionaries documents are checked against, and in which versions."""
    from consilium.directory.installed import folder_of

    folder = folder_of(settings)
    with opened(settings) as parts:
        official, known = parts.official(), parts.installed.dictionaries()
    versions = ", ".join(f"{number} {one.version}" for number, one in sorted(known.items()))
    if official is None:
        return Look(
            "official",
            "warning" if folder is None else "bad",
            f"схем и правил нет, документы проверяются не полностью: consilium semd install ПАПКА; НСИ: {versions or 'нет'}",
            f"no schemas and rules, documents are not checked in full: consilium semd install FOLDER; НСИ: {versions or 'none'}",
        )
    guides = ", ".join(sorted(official.guides, key=int))
    refused = "; ".join(official.refused.values())
    state: State = "bad" if refused else "ok" if known else "warning"
    return Look(
        "official",
        state,
        f"{folder}, виды {guides}; НСИ: {versions or 'нет, consilium nsi import'}{refused and f'; не читаются: {refused}'}",
        f"{folder}, kinds {guides}; НСИ: {versions or 'none, consilium nsi import'}{refused and f'; unreadable: {refused}'}",
    )


def _timestamps(settings: Settings) -> Look:
    """Whether somebody stamps a token that verifies here; without one nothing is sealed."""
    from consilium.seal.errors import AuthoritySilent, SealError

    name, began = "timestamps", time.monotonic()
    if not settings.timestamp_urls:
        missing = variable("timestamp_urls")
        return Look(
            name,
            "bad",
            f"служба меток времени не задана, протоколы не будут скрепляться ({missing})",
            f"no timestamp authority is set, nothing will be sealed ({missing})",
        )
    with opened(settings) as parts:
        try:
            parts.stamps.stamp(b"consilium doctor")
        except SealError as error:
            # The simulator of a demonstration runs with the rest of it.
            quiet = settings.demo and isinstance(error, AuthoritySilent)
            return Look(name, "warning" if quiet else "bad", error.message("ru"), error.message("en"))
    milliseconds = round((time.monotonic() - began) * 1000)
    first = settings.timestamp_urls[0]
    return Look(
        name,
        "ok",
        f"{first}, метка получена и проверена за {milliseconds} мс",
        f"{first}, a token obtained and verified in {milliseconds} ms",
    )


def _seals(settings: Settings) -> Look:
    """Protocols everybody has signed and whose seal waits for somebody outside."""
    import sqlalchemy as sa

    from consilium.store.tables import protocols

    query = sa.select(sa.func.count(), sa.func.min(protocols.c.waits_since)).where(
        protocols.c.waits_for != ""
    )
    with opened(settings) as parts, parts.store.read() as reader:
        count, since = reader.connection.execute(query).one()
    if not count:
        return Look("seals", "ok", "ни одно скрепление не ждёт", "no seal waits")
    return Look(
        "seals",
        "bad" if clock.now() - since > LATE_SEAL else "warning",
        f"ждут скрепления: {count}, самое раннее с {since:%d.%m %H:%M} UTC",
        f"{count} wait for their seal, the first since {since:%Y-%m-%d %H:%M} UTC",
    )


def _edge(settings: Settings) -> Look:
    url = supervise.local_url(settings, "/health")
    status, _ = supervise.asked(url)
    if status == 0:
        return Look("edge", "warning", f"{url} не запущен", f"{url} is not running")
    if status != 200:
        return Look("edge", "bad", f"{url} отвечает {status}", f"{url} answers {status}")
    return Look("edge", "ok", f"{url} отвечает", f"{url} answers")


def _media(settings: Settings, address: str) -> Look:
    name = f"media {address}"
    try:
        worker = relays.introduction(address, settings.media_key_file)
    except relays.NoAnswer as error:
        return Look(name, "warning", f"не запущен ({error})", f"not running ({error})")
    people = f"{worker.get('people', 0)}/{worker.get('capacity')}"
    rooms = len(worker.get("rooms") or ())
    state, why_ru, why_en = _forwarding(worker)
    return Look(
        name,
        state,
        f"{worker.get('worker')}, пересылает {why_ru}; комнат {rooms}, людей {people}",
        f"{worker.get('worker')}, forwards {why_en}; {rooms} rooms, {people} people",
    )


def _forwarding(worker: dict[str, Any]) -> tuple[State, str, str]:
    if worker.get("forwarder") != "compiled":
        if _extension_built():
            return (
                "warning",
                "Python по настройке, хотя быстрый модуль собран",
                "Python as it was told, though the fast module is built",
            )
        return (
            "warning",
            "Python: быстрый модуль не собран (apt install -y gcc libssl-dev python3-dev, затем make build)",
            "Python: the fast module is not built (apt install -y gcc libssl-dev python3-dev, then make build)",
        )
    if worker.get("realtime") is not True:
        return (
            "warning",
            "быстрый модуль без приоритета реального времени (LimitRTPRIO=1 или CAP_SYS_NICE)",
            "the fast module without realtime priority (LimitRTPRIO=1 or CAP_SYS_NICE)",
        )
    return "ok", "быстрый модуль, приоритет реального времени", "the fast module, realtime priority"


def _extension_built() -> bool:
    """Looked for as a file: the operator's command imports no other part."""
    found = importlib.util.find_spec("media")
    folders = found.submodule_search_locations if found else None
    return any(list((Path(folder) / "plane").glob("_fanout*.so")) for folder in folders or ())


def _udp() -> Look:
    limits = [int(Path(f"/proc/sys/net/core/{name}").read_text()) for name in ("rmem_max", "wmem_max")]
    if min(limits) >= UDP_BUFFER or _may_force():
        return Look("udp", "ok", "буферы достаточны", "buffers are large enough")
    return Look(
        "udp",
        "warning",
        f"буферы малы ({min(limits) // 1024} КБ): sysctl -w net.core.rmem_max={UDP_BUFFER} net.core.wmem_max={UDP_BUFFER}",
        f"small buffers ({min(limits) // 1024} KB): sysctl -w net.core.rmem_max={UDP_BUFFER} net.core.wmem_max={UDP_BUFFER}",
    )


def _may_force() -> bool:
    """CAP_NET_ADMIN goes beyond the limit."""
    status = Path("/proc/self/status").read_text().splitlines()
    effective = next((int(line.split()[1], 16) for line in status if line.startswith("CapEff:")), 0)
    return bool(effective & 1 << 12)


def _turn(text: str) -> Look:
    url = turn.parse(text)
    try:
        if url is None:
            raise ValueError("no TURN address")
        {"udp": _bind, "tcp": _connect, "tls": _handshake}[url.way](url)
    except (OSError, ValueError) as error:
        return Look(f"turn {text}", "bad", f"не отвечает ({error})", f"does not answer ({error})")
    return Look(f"turn {text}", "ok", "отвечает", "answers")


def _bind(url: turn.Url) -> None:
    """A STUN binding request (RFC 8489), which every TURN server answers."""
    request = struct.pack("!HHI12s", 1, 0, 0x2112A442, b"consilium-dr")
    host = url.host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(WITHIN / 2)
        for last in (False, True):
            line.sendto(request, (host, url.port))
            try:
                answer = line.recv(1500)
            except TimeoutError:
                if last:
                    raise
                continue
            if answer[8:20] != request[8:20]:
                raise ValueError("something else answers there")
            return


def _connect(url: turn.Url) -> None:
    socket.create_connection((url.host.strip("[]"), url.port), WITHIN).close()


def _handshake(url: turn.Url) -> None:
    """Reachable and speaking TLS; whether browsers trust the certificate they say themselves."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host = url.host.strip("[]")
    with (
        socket.create_connection((host, url.port), WITHIN) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        return
