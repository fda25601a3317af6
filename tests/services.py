"""Real PostgreSQL, Redis and coturn, thrown away after the tests.

Each is a child process on loopback with its state in a temporary folder; it dies with the test process,
however that ends. PostgreSQL refuses to run as root, so root starts it as the user `postgres`.
"""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import redis

from consilium import certificate, clock
from consilium.coturn import write_configuration
from consilium.settings import Settings
from consilium.supervise import die_with_parent

SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin:/sbin"


def program(*names: str) -> str | None:
    """Full path of the first of these programs that this machine has."""
    return next((path for name in names if (path := shutil.which(name, path=SYSTEM_PATH))), None)


def postgres_bin() -> Path | None:
    """Folder with initdb and postgres of the newest version; Debian keeps it off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return versions[-1].parent if versions else None


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(ready: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait for something that sends no event (a program that starts); fail with its name."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} after {seconds} s")
        time.sleep(0.02)


@contextmanager
def running(
    command: Sequence[str], folder: Path, user: str | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process with its output in `folder`/log; ended by SIGTERM, after 5 s by SIGKILL."""
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # session fixtures start services from one thread
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def temporary_folder(name: str, user: str | None = None) -> Iterator[Path]:
    """A short path (Unix sockets allow 107 bytes), owned by the user the service runs as."""
    folder = Path(tempfile.mkdtemp(prefix=f"consilium-{name}-"))
    try:
        if user:
            shutil.chown(folder, user, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[str]:
    """A cluster of its own with fsync on, as in production; yields the address of its first database."""
    home = postgres_bin()
    assert home is not None
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with temporary_folder("pg", user) as folder:
        data = folder / "data"
        asking = [
            str(home / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
        ]
        subprocess.run(
            asking,
            cwd=folder,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": 200,
            "shared_buffers": "64MB",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with running([str(home / "postgres"), "-D", str(data), *settings], folder, user):
            address = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            until(lambda: _answers(address), "PostgreSQL answers")
            yield address


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """An empty database on a throwaway server, as an SQLAlchemy address; dropped with whoever still uses it."""
    name = f"t{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield f"postgresql+psycopg://{server.removeprefix('postgresql://').rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def refill(database: str, template: str) -> None:
    """Put a copy of another database in its place, both by their SQLAlchemy address; nobody may be using them."""
    server, _, name = database.replace("postgresql+psycopg://", "postgresql://").rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template.rpartition("/")[2]}"')


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis without persistence: everything that must last is in the database."""
    port = free_port()
    with temporary_folder("redis") as folder:
        command = [
            str(program("redis-server")),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        with running(command, folder), redis.Redis(port=port) as client:
            until(lambda: _pings(client), "Redis answers")
            yield f"redis://127.0.0.1:{port}/0"


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@dataclass(frozen=True, slots=True)
class Turn:
    """A coturn with the configuration that `consilium turn config` writes."""

    host: str
    port: int
    tls_port: int
    secret: str
    certificate: Path
    pid: int

    @property
    def urls(self) -> dict[str, str]:
        """Rung -> address as browsers are told it."""
        return {
            "udp": f"turn:{self.host}:{self.port}?transport=udp",
            "tcp": f"turn:{self.host}:{self.port}?transport=tcp",
            "tls": f"turns:{self.host}:{self.tls_port}?transport=tcp",
        }


@contextmanager
def coturn(
    host: str = "127.0.0.1",
    ports: tuple[int, int] | None = None,
    wrap: Callable[[list[str]], list[str]] = list,
) -> Iterator[Turn]:
    """A TURN server on `host` that may relay to `host` alone; `ports` are the plain and the TLS one.

    `wrap` puts the command into another network namespace; that it listens is seen from outside of it.
    """
    plain, tls = ports or (free_port(), free_port())
    with temporary_folder("turn") as folder:
        cert, key = certificate.make([host], folder / "tls", clock.now())
        turn = Turn(host, plain, tls, secrets.token_hex(32), cert, 0)
        (folder / "secret").write_text(turn.secret)
        settings = Settings.from_environment(
            {
                "CONSILIUM_DEMO": "1",
                "CONSILIUM_DATA_DIR": str(folder / "var"),
                "CONSILIUM_TURN_URLS": ",".join(turn.urls.values()),
                "CONSILIUM_TURN_SECRET_FILE": str(folder / "secret"),
                "CONSILIUM_TLS_CERT": str(cert),
                "CONSILIUM_TLS_KEY": str(key),
            }
        )
        configuration = write_configuration(settings, [host], [host], [])
        with running(wrap([str(program("turnserver")), "-c", str(configuration)]), folder) as child:
            until(lambda: {plain, tls} <= listening_ports(child.pid), "coturn listens")
            yield replace(turn, pid=child.pid)


def listening_ports(pid: int) -> set[int]:
    """TCP ports that anybody listens on in the network namespace of a process."""
    rows = [
        line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    ]
    return {int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A"}
