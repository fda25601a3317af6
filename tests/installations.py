"""Whole installations as child processes, for journeys and faults.

`one_machine` is `consilium serve --demo` as a person types it; `production` starts the Procfile's own lines
against PostgreSQL and Redis. Both listen on loopback with ports and folders of their own, and are gone when
the block ends, whatever happened in it.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from consilium import supervise
from consilium.settings import Settings
from media.__main__ import own_addresses
from tests.conftest import ROOT
from tests.services import free_port, running, temporary_folder, until

MEDIA_ADDRESSES = ",".join(dict.fromkeys(("127.0.0.1", *own_addresses())))
"""Firefox pairs the machine's own address with nothing on 127.0.0.1; the other participants have only that."""


@dataclass(slots=True)
class Installation:
    """A running installation: where it is, its settings, and its processes by part name."""

    settings: Settings
    url: str
    signaling_url: str
    log: Path
    main: subprocess.Popen[bytes] | None = None
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    signaling_urls: list[str] = field(default_factory=list)
    start: Callable[..., None] | None = None

    def pid(self, part: str) -> int:
        """Process id of edge, media-1, worker, registry, authority (one machine) or of a Procfile line (production)."""
        if part in self.parts:
            return self.parts[part].pid
        return processes(self.settings)[part]

    def kill(self, part: str) -> None:
        """kill -9 of one part."""
        os.kill(self.pid(part), signal.SIGKILL)

    def until_healthy(self, seconds: float = 30.0) -> None:
        """Wait until the edge says that everything works."""
        until(lambda: supervise.answers(f"{self.url}/health"), f"healthy; log: {self.log}", seconds)


def processes(settings: Settings) -> dict[str, int]:
    """Part -> process id of everything that runs with this data folder, found in /proc."""
    mark = f"CONSILIUM_DATA_DIR={settings.data_dir}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                found[_part(words)] = int(folder.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def listening(settings: Settings) -> set[str]:
    """Local addresses of every listening TCP socket of the installation, in hexadecimal as the kernel shows them."""
    sockets = set()
    for pid in processes(settings).values():
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                sockets.add(str(entry.readlink()))
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def _part(words: list[str]) -> str:
    module = words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
    names = {
        "web.edge": "edge",
        "consilium.tasks": "worker",
        "web.simulator": "registry",
        "web.simulator.authority": "authority",
        "consilium.cli": "main",
        "turnserver": "turn",
    }
    if module == "media":
        return words[words.index("--name") + 1]
    return names.get(module, module)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """This process' environment without our settings, and those of an installation of its own in `folder`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSILIUM_")}
    kept = {name: os.environ[name] for name in ("CONSILIUM_SEMD_DIR",) if name in os.environ}
    return {
        **clean,
        **kept,
        "CONSILIUM_DEMO": "1",
        "CONSILIUM_DATA_DIR": str(folder),
        "CONSILIUM_PORT": str(free_port()),
        "CONSILIUM_REGISTRY_PORT": str(free_port()),
        "CONSILIUM_AUTHORITY_PORT": str(free_port()),
        "CONSILIUM_MEDIA_ADDRESSES": MEDIA_ADDRESSES,
        "PYTHONPATH": str(ROOT),
        **more,
    }


@contextmanager
def one_machine(folder: Path | None = None, *flags: str, **more: str) -> Iterator[Installation]:
    """`consilium serve --demo FLAGS`, healthy; state in `folder`, which outlives the block, or in a temporary one."""
    with ExitStack() as stack:
        home = folder or stack.enter_context(temporary_folder("machine"))
        env = environment(home / "var", **more)
        settings = Settings.from_environment(env)
        output = home / "serve.log"
        with output.open("ab") as stream:
            command = [sys.executable, "-m", "consilium.cli", "serve", "--demo", *flags]
            main = subprocess.Popen(
                command,
                env=env,
                cwd=home,
                stdout=stream,
                stderr=stream,
                preexec_fn=supervise.die_with_parent,  # noqa: PLW1509  # started from the test's one thread
            )
        stack.callback(_end, main)
        url = supervise.local_url(settings, "")
        installation = Installation(settings, url, url, output, main)
        until(
            lambda: main.poll() is not None or supervise.answers(f"{url}/health"),
            f"healthy; log: {output}",
            60,
        )
        until(
            lambda: main.poll() is not None or settings.public_origin in output.read_text(encoding="utf-8"),
            "announced",
        )
        assert main.poll() is None, output.read_text(encoding="utf-8")
        yield installation


@contextmanager
def production(
    postgres: str, redis: str, *, signaling: int = 1, media: int = 1, **more: str
) -> Iterator[Installation]:
    """The Procfile's lines with a database and a Redis, and the simulators of registry and authority beside them.

    `parts` holds web, signaling-N, media-N, worker, registry and authority; `url` is web's, `signaling_url` the first
    signaling's. A reverse proxy in front of the two is the test's affair.
    """
    with ExitStack() as stack:
        home = stack.enter_context(temporary_folder("production"))
        controls = [f"unix:{home}/m{number}.sock" for number in range(1, media + 1)]
        env = environment(
            home / "var",
            CONSILIUM_DATABASE_URL=postgres,
            CONSILIUM_REDIS_URL=redis,
            CONSILIUM_MEDIA_CONTROLS=",".join(controls),
            **more,
        )
        settings = Settings.from_environment(env)
        env |= settings.to_environment()
        ports = [free_port() for _ in range(signaling)]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        installation = Installation(
            settings, supervise.local_url(settings, ""), urls[0], home / "log", signaling_urls=urls
        )
        lines = {name: (command, extra) for name, command, extra in _lines(settings, controls, ports)}

        def start(name: str, **variables: str) -> None:
            """A part in place of one that has died, perhaps with more variables than before."""
            command, extra = lines[name]
            child = running(command, home, env={**env, **extra, **variables})
            installation.parts[name] = stack.enter_context(child)

        installation.start = start
        for name in lines:
            start(name)
        for address in (installation.url, *urls):
            until(lambda address=address: supervise.answers(f"{address}/health"), f"{address} healthy", 60)
        yield installation


def _lines(
    settings: Settings, controls: list[str], ports: list[int]
) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    line = procfile()
    for number, control in enumerate(controls, start=1):
        own = {"CONSILIUM_MEDIA_NAME": f"media-{number}", "CONSILIUM_MEDIA_CONTROL": control}
        yield f"media-{number}", line["media"], {**own, "CONSILIUM_MEDIA_ADDRESS": MEDIA_ADDRESSES}
    for number, port in enumerate(ports, start=1):
        yield f"signaling-{number}", line["signaling"], {"PORT": str(port)}
    yield "web", line["web"], {}
    yield "worker", line["worker"], {}
    for part in supervise.parts_of_one_machine(settings):
        if part.name in ("registry", "authority"):
            yield part.name, [sys.executable, *part.arguments], dict(part.variables)


def procfile() -> dict[str, list[str]]:
    """Name -> words of every line, with the interpreter that runs the tests."""
    text = (ROOT / "Procfile").read_text(encoding="utf-8")
    lines = {name: shlex.split(command) for name, command in re.findall(r"^(\w+): (.+)$", text, re.MULTILINE)}
    return {name: [sys.executable, *words[1:]] for name, words in lines.items() if words[0] == "python"}


def _end(main: subprocess.Popen[bytes]) -> None:
    if main.poll() is None:
        main.send_signal(signal.SIGINT)
    try:
        main.wait(8)
    except subprocess.TimeoutExpired:
        main.kill()
        main.wait()
