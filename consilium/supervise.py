"""Starts the parts of one machine as child processes and keeps them running: edge, media, worker.

One thread, one loop that waits for signals. A child has a session of its own, so Ctrl-C reaches only this
process, which then ends every child: SIGTERM to its group, after GRACE seconds SIGKILL. When this process
itself is killed, the kernel kills the children (PR_SET_PDEATHSIG); what they had acknowledged is on disk.
"""

import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from consilium.settings import Settings

log = logging.getLogger(__name__)

GRACE = 3.5
HEALTHY_WITHIN = 60.0
FREE_BYTES = 64 * 2**20
AT_ONCE = 0.1  # seconds until a child that had been steady is started again
BACK_OFF = (0.5, 30.0)
STEADY = 60.0
TRIES_BEFORE_HEALTHY = 3
CANNOT_START = 2
_TICK = 0.1
_FOREVER = 3600.0
_PR_SET_PDEATHSIG = 1
_WATCHED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD})
_ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_libc = ctypes.CDLL(None, use_errno=True)


class CannotStart(Exception):
    """A start is refused; the text is one plain sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One child: `arguments` follow the Python interpreter, `variables` come on top of the settings."""

    name: str
    arguments: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Child:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    again_at: float = 0.0


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel kills this child when its parent dies; signals blocked there are let in."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def check(settings: Settings) -> None:
    """Refuse what would fail later in worse words: network without TLS, bad TLS files, full disk, busy port.

    Raises CannotStart.
    """
    check_network(settings)
    check_certificate(settings)
    check_disk(settings.data_dir)
    _check_port(settings.host, settings.port, "--port")
    if settings.demo:
        _check_port("127.0.0.1", settings.registry_port, "CONSILIUM_REGISTRY_PORT")
        _check_port("127.0.0.1", settings.authority_port, "CONSILIUM_AUTHORITY_PORT")


def check_network(settings: Settings) -> None:
    """Refuse a network address without TLS; a proxy that speaks TLS shows in `public_origin`."""
    if is_loopback(settings.host) or settings.tls or settings.public_origin.startswith("https://"):
        return
    raise CannotStart(
        f"Адрес {settings.host} виден из сети, а камера и подпись работают только по HTTPS: задайте --tls-cert и "
        "--tls-key; для показа их сделает `consilium certificate make ИМЯ`. "
        "A network address needs TLS: give --tls-cert and --tls-key, or run `consilium certificate make HOST`."
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_certificate(settings: Settings) -> None:
    """Refuse TLS files that cannot be read or do not belong together."""
    if settings.tls_cert is None or settings.tls_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ValueError) as error:
        raise CannotStart(
            f"Сертификат {settings.tls_cert} и ключ {settings.tls_key} не подходят ({error}): проверьте пути, права и "
            "что ключ от этого сертификата. The TLS certificate and key cannot be used: check both files."
        ) from error


def check_disk(folder: Path) -> None:
    """Refuse a data folder that cannot be used or has no room left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise CannotStart(
            f"Папка данных {folder} недоступна ({error.strerror}): проверьте права или задайте CONSILIUM_DATA_DIR. "
            "The data folder cannot be used."
        ) from error
    if free < FREE_BYTES:
        raise CannotStart(
            f"На диске с {folder} свободно {free // 2**20} МБ, нужно хотя бы {FREE_BYTES // 2**20} МБ: освободите место. "
            "The disk is full: free some space."
        )


def _check_port(host: str, port: int, setting: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(_bind_sentence(host, port, setting, error)) from error


def free_port() -> int:
    """A loopback port that is free now, for a server nobody else needs to find."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _bind_sentence(host: str, port: int, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Порт {port} занят другой программой: остановите её или выберите другой ({setting}). "
            f"Port {port} is busy: stop the other program or choose another port ({setting})."
        )
    if error.errno == errno.EACCES:
        return (
            f"Порт {port} доступен только администратору: выберите порт больше 1023 ({setting}). "
            f"Port {port} needs administrator rights: choose a port above 1023 ({setting})."
        )
    return (
        f"Адрес {host}:{port} не открывается ({error.strerror}): задайте адрес этой машины (--host). "
        f"{host} is not an address of this machine: give another --host."
    )


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder: two supervisors over one database would run two workers with one set of leases."""
    with (data_dir / "serve.lock").open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(
                f"Консилиум уже запущен с папкой {data_dir}: остановите его или задайте другую CONSILIUM_DATA_DIR. "
                "Consilium already runs with this data folder: stop it or set another CONSILIUM_DATA_DIR."
            ) from error
        yield


class Supervisor:
    """Owns the children; `close()` ends them all and is safe to call twice.

    Signals are blocked while it lives and taken one by one in `wait`, so nothing is interrupted half way.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None] = print) -> None:
        self._settings = settings
        self._say = say
        self._children: list[_Child] = []
        self._healthy = False
        self._environment = {**os.environ, **settings.to_environment(), "PYTHONUNBUFFERED": "1"}
        self._mask: set[signal.Signals | int] = set()

    def __enter__(self) -> Self:
        self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def run(self, part: Part, *, shown: bool = False) -> int | None:
        """Run a child to its end while keeping the others; its exit status, or None when a person ended it."""
        child = _Child(part)
        self._start(child, shown=shown)
        assert child.process is not None
        try:
            while child.process.poll() is None:
                if self.wait(_TICK):
                    return None
        finally:
            _end([child.process])
        return child.process.returncode

    def start(self, parts: Sequence[Part]) -> None:
        """Start all at once; whoever needs another part waits for it himself."""
        for part in parts:
            child = _Child(part)
            self._children.append(child)
            self._start(child)

    def until_healthy(self, url: str) -> bool:
        """Wait for 200 from the edge; False when a person ended it. Raises CannotStart with the child's last words."""
        end = time.monotonic() + HEALTHY_WITHIN
        while not answers(url):
            if self.wait(_TICK):
                return False
            hopeless = [child for child in self._children if child.deaths >= TRIES_BEFORE_HEALTHY]
            if hopeless or time.monotonic() > end:
                raise CannotStart(f"{self._last_words(hopeless or self._children)}\n{url}: {asked(url)[1]}")
        self._healthy = True
        return True

    def forever(self) -> None:
        """Keep the children running until SIGINT, SIGTERM or SIGHUP."""
        while not self.wait(1.0):
            pass

    def wait(self, seconds: float) -> bool:
        """Wait for a signal at most so long, and look after the children; True when it is time to end."""
        got = signal.sigtimedwait(_WATCHED, min(seconds, self._next_start()))
        self._look_after()
        return got is not None and got.si_signo in _ENDING

    def close(self) -> None:
        """End every child within 5 s."""
        children, self._children = self._children, []
        _end([child.process for child in children if child.process])

    def _next_start(self) -> float:
        """Seconds until a child that died is to be started again."""
        waiting = [child.again_at - time.monotonic() for child in self._children if child.process is None]
        return max(0.0, min(waiting, default=_FOREVER))

    def _look_after(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            if child.process is None and now >= child.again_at:
                self._start(child)

    def _bury(self, child: _Child, now: float) -> None:
        assert child.process is not None
        status, child.process = child.process.returncode, None
        child.deaths = 1 if now - child.started > STEADY else child.deaths + 1
        pause = AT_ONCE if child.deaths == 1 else min(BACK_OFF[0] * 2 ** (child.deaths - 2), BACK_OFF[1])
        child.again_at = now + pause
        log.warning("child.died", extra={"part": child.part.name, "status": status, "again_in": pause})

    def _start(self, child: _Child, *, shown: bool = False) -> None:
        with contextlib.ExitStack() as stack:
            out = None if shown else stack.enter_context(self._output(child.part.name))
            child.process = subprocess.Popen(
                [sys.executable, *child.part.arguments],
                env={**self._environment, **dict(child.part.variables)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # this process has one thread
            )
        child.started = time.monotonic()
        log.info("child.started", extra={"part": child.part.name, "pid": child.process.pid})

    @contextlib.contextmanager
    def _output(self, name: str) -> Iterator[IO[bytes] | None]:
        """A file in demonstration mode, so that addresses and accounts stay on the screen; else our own streams."""
        if not self._settings.demo:
            yield None
            return
        with _log_file(self._settings.data_dir, name).open("ab") as file:
            yield file

    def _last_words(self, children: list[_Child]) -> str:
        names = ", ".join(child.part.name for child in children)
        sentence = f"Не запускается: {names}. Did not start: {names}."
        if not self._settings.demo:
            return sentence
        files = [_log_file(self._settings.data_dir, child.part.name) for child in children]
        tails = [f"{file}:\n{_tail(file)}" for file in files if file.exists()]
        return "\n".join([sentence, *tails])


def _log_file(data_dir: Path, name: str) -> Path:
    folder = data_dir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def _tail(file: Path, lines: int = 12) -> str:
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """SIGTERM to every group at once, SIGKILL to what is left; grandchildren are in the same groups."""
    for process in processes:
        _signal_group(process, signal.SIGTERM)
    end = time.monotonic() + GRACE
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(end - time.monotonic(), 0.0))
    for process in processes:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def answers(url: str) -> bool:
    """Whether the edge says 200."""
    return asked(url)[0] == 200


def asked(url: str) -> tuple[int, str]:
    """Status and first words of the edge's answer, 0 without one; no proxy, and no look at our own certificate."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    try:
        with opener.open(url, timeout=2.0) as response:
            return response.status, response.read(1000).decode(errors="replace")
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read(1000).decode(errors="replace")
    except (urllib.error.URLError, OSError) as error:
        return 0, str(error)


def local_url(settings: Settings, path: str) -> str:
    """Address by which this machine reaches the edge, whatever it is called outside."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared, not bound
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls else 'http'}://{shown}:{settings.port}{path}"


def parts_of_one_machine(settings: Settings, *, turn: bool = False) -> tuple[Part, ...]:
    """Edge, worker, one media process per local control address, registry and authority of a demonstration, coturn."""
    local = [address for address in settings.media_controls if address.startswith("unix:")]
    media = [_media(settings, number, address) for number, address in enumerate(local, start=1)]
    return (
        *media,
        *([_registry(settings), _authority(settings)] if settings.demo else []),
        *([_turn(settings)] if turn else []),
        Part("worker", ("-m", "consilium.tasks")),
        Part("edge", ("-m", "web.edge")),
    )


def _media(settings: Settings, number: int, control: str) -> Part:
    name = f"media-{number}"
    bound = ("--address", *settings.media_addresses) if settings.media_addresses else ()
    kept = ("--recordings", str(settings.recordings_dir))
    return Part(name, ("-m", "media", "--name", name, "--control", control, *kept, *bound))


def _turn(settings: Settings) -> Part:
    """coturn on the edge's address."""
    listen = () if settings.host in ("0.0.0.0", "::") else ("--listen", settings.host)  # noqa: S104  # compared
    return Part("turn", ("-m", "consilium.cli", "turn", "run", *listen))


def _registry(settings: Settings) -> Part:
    """The simulator; it believes the edge's certificate, which in a demonstration nobody else vouches for."""
    where = ("--port", str(settings.registry_port), "--data", str(settings.data_dir / "registry"))
    bases = dict.fromkeys([settings.public_origin, local_url(settings, "")])
    products = [word for base in bases for word in ("--product", base)]
    trusted = (("SSL_CERT_FILE", str(settings.tls_cert)),) if settings.tls_cert else ()
    return Part("registry", ("-m", "web.simulator", *where, *products), trusted)


def _authority(settings: Settings) -> Part:
    """The simulator of timestamps, OCSP and revocation lists, on the demonstration authority's own folder."""
    where = ("--port", str(settings.authority_port), "--folder", str(settings.data_dir / "authority"))
    policy = ("--policy", settings.signature_policy)
    return Part("authority", ("-m", "web.simulator.authority", *where, *policy))


def overridden(env: Mapping[str, str], **changes: object) -> dict[str, str]:
    """The environment with what the command line gave in place of it; None means not given."""
    given = {f"CONSILIUM_{name.upper()}": str(value) for name, value in changes.items() if value is not None}
    return {**env, **given}
