"""What can be set, read once from the environment (`CONSILIUM_*`) when a process starts.

`.env.example` lists every field with its meaning; a test compares the two. A secret has no default
outside demonstration mode: a process without one refuses to start. In demonstration mode the secret is
made on the first start and kept in `<data_dir>/secret`, readable by its owner alone.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from consilium import turn

PREFIX = "CONSILIUM_"
MIN_SECRET = 32
MIN_TOKEN = 20
# sockaddr_un.sun_path on Linux holds 108 bytes with its closing zero (unix(7)).
SOCKET_PATH_MAX = 107
# When one dies its rooms go on at the other at once; two on two cores cost 70 MB and nothing while they wait.
LEAST_WORKERS = 2
SIGNATURE_POLICIES = ("ru-ukep/1", "demo-ecdsa/1", "demo-ecdsa/2")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """A setting is missing or makes no sense; `code` is stable, `sentence` tells a person what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a process may know about where it runs."""

    demo: bool = field(
        metadata={"meaning": "1: demonstration mode: public passwords, made-up patients, own authority"}
    )
    data_dir: Path = field(metadata={"meaning": "folder for the database, stored files, keys and sockets"})
    recordings_dir: Path = field(
        metadata={"meaning": "folder media workers write recordings to, default <data_dir>/recordings"}
    )
    keys_dir: Path = field(
        metadata={"meaning": "folder with the organisations' seal keys; only the worker reads it"}
    )
    database_url: str = field(metadata={"meaning": "SQLAlchemy address: SQLite or PostgreSQL"})
    db_pool: int = field(
        metadata={"meaning": "database connections per process, and threads that run commands"}
    )
    redis_url: str | None = field(
        metadata={
            "meaning": "Redis for hints, the Socket.IO bus and Celery; empty: everything in one edge process"
        }
    )
    host: str = field(metadata={"meaning": "address the edge listens on; another than loopback needs TLS"})
    port: int = field(metadata={"meaning": "port the edge listens on"})
    public_origin: str = field(
        metadata={
            "meaning": "scheme://host[:port] as browsers see it; the only origin whose requests are taken"
        }
    )
    tls_cert: Path | None = field(metadata={"meaning": "PEM file with the server's certificate chain"})
    tls_key: Path | None = field(metadata={"meaning": "PEM file with the key of that certificate"})
    secret_key: str = field(
        metadata={
            "meaning": "secret of at least 32 characters that authenticates tickets and registry callbacks"
        },
        repr=False,
    )
    session_hours: int = field(metadata={"meaning": "hours after which a person signs in again"})
    upload_limit_bytes: int = field(metadata={"meaning": "largest document taken, in bytes"})
    media_controls: tuple[str, ...] = field(
        metadata={
            "meaning": "control addresses of the media workers: unix:PATH or tcp:HOST:PORT, comma-separated"
        }
    )
    media_workers: int = field(
        metadata={
            "meaning": "media workers that consilium serve starts; 0: one per core but one, and two at least"
        }
    )
    media_addresses: tuple[str, ...] = field(
        metadata={
            "meaning": "addresses media workers bind and advertise, comma-separated; empty: the machine's own"
        }
    )
    media_key_file: Path | None = field(
        metadata={"meaning": "file with the key shared with media workers; needed for tcp: control addresses"}
    )
    turn_urls: tuple[str, ...] = field(
        metadata={
            "meaning": "TURN servers as browsers reach them, turn:HOST:PORT?transport=udp|tcp or turns:HOST:443, "
            "comma-separated; empty: none"
        }
    )
    turn_secret_file: Path | None = field(
        metadata={
            "meaning": "file with the secret shared with the TURN servers; made by consilium turn config"
        }
    )
    metrics_token: str | None = field(
        metadata={
            "meaning": "token with which /metrics may be read from anywhere; empty: from this machine alone"
        },
        repr=False,
    )
    registry_url: str | None = field(
        metadata={"meaning": "base address of the registry that takes the documents"}
    )
    registry_port: int = field(
        metadata={"meaning": "loopback port of the registry simulator in demonstration mode"}
    )
    registry_protocol: Literal["plain", "remd", "proxy"] = field(
        metadata={
            "meaning": "how the registry is spoken to: plain (JSON, the simulator's own), remd (SOAP as РЭМД has it), "
            "proxy (a regional REST proxy)"
        }
    )
    registry_profile: Path | None = field(
        metadata={
            "meaning": "JSON file with names and addresses of messages where the registry's differ from ours"
        }
    )
    registry_token: str | None = field(
        metadata={
            "meaning": "token exchanged with the gateway in front of the registry, at least 20 characters; empty: "
            "messages are proven by a secret derived from the secret key"
        },
        repr=False,
    )
    registry_signers: Literal["all", "own"] = field(
        metadata={
            "meaning": "whose signatures the registry is sent: all, or own (of the registering organisation's people); "
            "all are kept"
        }
    )
    registry_acts: bool = field(metadata={"meaning": "1: acts of annulment are registered too"})
    export_dir: Path = field(
        metadata={"meaning": "folder every sealed document is put into, default <data_dir>/export"}
    )
    webhook_hosts: tuple[str, ...] = field(
        metadata={
            "meaning": "hosts (HOST or HOST:PORT, comma-separated) organisations may have results sent to; empty: none "
            "but this machine in demonstration mode"
        }
    )
    signature_policy: str = field(
        metadata={
            "meaning": "rules a signature is judged by: ru-ukep/1 (GOST, accredited authorities), demo-ecdsa/1, demo-ecdsa/2; "
            "demonstration mode: demo-ecdsa/2"
        }
    )
    seal_key: str | None = field(
        metadata={
            "meaning": "pkcs11: URI (RFC 7512) of the seal's key in a token, with module-path and pin-source=file:PATH; "
            "empty: seal.uri or seal.key of each organisation's folder"
        },
        repr=False,
    )
    timestamp_urls: tuple[str, ...] = field(
        metadata={
            "meaning": "timestamp authorities (RFC 3161) in order of preference, comma-separated; without one nothing is sealed"
        }
    )
    archive_renew_days: int = field(
        metadata={
            "meaning": "days before the end of the newest timestamp of a package that it gets an archive timestamp"
        }
    )
    crl_urls: tuple[str, ...] = field(
        metadata={
            "meaning": "revocation lists to fetch besides those that certificates name, comma-separated"
        }
    )
    ocsp_url: str | None = field(
        metadata={"meaning": "OCSP responder to ask about certificates that name none"}
    )
    revocation_hosts: tuple[str, ...] = field(
        metadata={
            "meaning": "hosts (HOST or HOST:PORT) that certificates may send us to for lists and OCSP, comma-separated; "
            "no others are asked"
        }
    )
    authority_port: int = field(
        metadata={"meaning": "loopback port of the authority simulator in demonstration mode"}
    )
    extract_edition: str = field(
        metadata={
            "meaning": "code of НСИ 11.1520 (99, 158, 312, 334) under which extracts of a commission are made; "
            "empty: by the date"
        }
    )
    semd_dir: Path | None = field(
        metadata={
            "meaning": "folder with the official dictionaries and schemas (nsi/, guides/); never part of the code"
        }
    )
    worker_concurrency: int = field(metadata={"meaning": "tasks one Celery worker runs at a time"})
    lease_seconds: int = field(
        metadata={"meaning": "seconds a task or room lease lasts before another worker may take it over"}
    )
    language: Literal["ru", "en"] = field(
        metadata={"meaning": "language of a page before its reader chose one"}
    )
    log_level: str = field(metadata={"meaning": "DEBUG, INFO, WARNING or ERROR"})

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read every field; relative paths count from the working folder.

        Raises SettingsError on the first value that is missing or makes no sense. Its only effect: in
        demonstration mode the data folder and the secret in it are made if they are not there.
        """
        return _Reader(env).settings()

    def to_environment(self) -> dict[str, str]:
        """The variables from which a child process reads exactly these settings."""
        return {variable(one.name): _as_text(getattr(self, one.name)) for one in fields(self)}

    @property
    def tls(self) -> bool:
        """Whether the edge itself speaks TLS (then cookies carry the `__Host-` prefix)."""
        return self.tls_cert is not None

    @property
    def sqlite(self) -> bool:
        """Whether the embedded database is used."""
        return self.database_url.startswith("sqlite")


def variable(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _refuse(code: str, sentence: str) -> NoReturn:
    raise SettingsError(code, sentence)


class _Reader:
    """Typed access to the variables; an empty value counts as unset."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env

    def settings(self) -> Settings:
        demo = self.flag("demo")
        data_dir = (self.path("data_dir") or Path("var")).resolve()
        cert, key = self.tls_pair()
        host, port = self.text("host") or "127.0.0.1", self.number("port", 8080, 0, 65535)
        registry_port = self.number("registry_port", 8090, 0, 65535)
        authority_port = self.number("authority_port", 8091, 0, 65535)
        own = f"http://127.0.0.1:{authority_port}" if demo else ""
        return Settings(
            demo=demo,
            data_dir=data_dir,
            recordings_dir=(self.path("recordings_dir") or data_dir / "recordings").resolve(),
            keys_dir=(self.path("keys_dir") or data_dir / "keys").resolve(),
            database_url=self.database_url(data_dir),
            db_pool=self.number("db_pool", 8, 1, 200),
            redis_url=self.url("redis_url", ("redis", "rediss", "unix")),
            host=host,
            port=port,
            public_origin=self.origin(host, port, tls=cert is not None),
            tls_cert=cert,
            tls_key=key,
            secret_key=self.secret(data_dir, demo=demo),
            session_hours=self.number("session_hours", 12, 1, 24 * 7),
            upload_limit_bytes=self.number("upload_limit_bytes", 64 * 2**20, 2**10, 2**32),
            media_controls=self.controls(data_dir),
            media_workers=self.number("media_workers", 0, 0, 64),
            media_addresses=self.several("media_addresses"),
            media_key_file=self.media_key(),
            turn_urls=self.turn_urls(),
            turn_secret_file=secret_file.resolve()
            if (secret_file := self.path("turn_secret_file"))
            else None,
            metrics_token=self.token("metrics_token"),
            registry_url=self.url("registry_url", ("http", "https"))
            or (f"http://127.0.0.1:{registry_port}" if demo else None),
            registry_port=registry_port,
            registry_protocol=self.registry_protocol(),
            registry_profile=profile.resolve() if (profile := self.path("registry_profile")) else None,
            registry_token=self.token("registry_token"),
            registry_signers="own"
            if self.choice("registry_signers", ("all", "own"), "all") == "own"
            else "all",
            registry_acts=self.flag("registry_acts"),
            export_dir=(self.path("export_dir") or data_dir / "export").resolve(),
            webhook_hosts=self.several("webhook_hosts"),
            signature_policy=self.choice(
                "signature_policy", SIGNATURE_POLICIES, "demo-ecdsa/2" if demo else "ru-ukep/1"
            ),
            seal_key=self.seal_key(),
            timestamp_urls=self.urls("timestamp_urls") or ((f"{own}/tsa",) if own else ()),
            archive_renew_days=self.number("archive_renew_days", 90, 1, 3650),
            crl_urls=self.urls("crl_urls") or ((f"{own}/crl",) if own else ()),
            ocsp_url=self.url("ocsp_url", ("http", "https")) or (f"{own}/ocsp" if own else None),
            revocation_hosts=self.several("revocation_hosts"),
            authority_port=authority_port,
            extract_edition=self.text("extract_edition") or "",
            semd_dir=semd_dir.resolve() if (semd_dir := self.path("semd_dir")) else None,
            worker_concurrency=self.number("worker_concurrency", 2, 1, 64),
            lease_seconds=self.number("lease_seconds", 30, 1, 3600),
            language=self.language(),
            log_level=self.choice("log_level", LEVELS, "INFO"),
        )

    def seal_key(self) -> str | None:
        text = self.text("seal_key")
        if text is not None and not text.startswith("pkcs11:"):
            _refuse(
                "settings_seal_key",
                f"{variable('seal_key')}: нужен адрес вида pkcs11:token=...;object=...?module-path=... "
                "A pkcs11: URI is needed.",
            )
        return text

    def text(self, name: str) -> str | None:
        return self.env.get(variable(name), "").strip() or None

    def flag(self, name: str) -> bool:
        return self.choice(name, ("0", "1"), "0") == "1"

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return Path(text).expanduser() if text else None

    def several(self, name: str) -> tuple[str, ...]:
        return tuple(part for each in (self.text(name) or "").split(",") if (part := each.strip()))

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            _refuse(
                "settings_number",
                f"{variable(name)}: нужно целое число от {low} до {high}, задано «{text}». "
                f"A whole number from {low} to {high} is needed.",
            )
        return int(text)

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        text = self.text(name) or default
        if text not in allowed:
            _refuse(
                "settings_choice",
                f"{variable(name)}: возможно {', '.join(allowed)}, задано «{text}». "
                f"Must be one of {', '.join(allowed)}.",
            )
        return text

    def registry_protocol(self) -> Literal["plain", "remd", "proxy"]:
        chosen = self.choice("registry_protocol", ("plain", "remd", "proxy"), "plain")
        return "remd" if chosen == "remd" else "proxy" if chosen == "proxy" else "plain"

    def language(self) -> Literal["ru", "en"]:
        return "en" if self.choice("language", ("ru", "en"), "ru") == "en" else "ru"

    def url(self, name: str, schemes: tuple[str, ...]) -> str | None:
        text = self.text(name)
        if text and urlsplit(text).scheme not in schemes:
            _refuse(
                "settings_url",
                f"{variable(name)}: нужен адрес вида {schemes[0]}://… "
                f"An address like {schemes[0]}://… is needed.",
            )
        return text.rstrip("/") if text else None

    def urls(self, name: str) -> tuple[str, ...]:
        found = self.several(name)
        for text in found:
            if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
                _refuse(
                    "settings_url",
                    f"{variable(name)}: нужны адреса вида http://…, задано «{text}». Addresses like http://… are needed.",
                )
        return found

    def database_url(self, data_dir: Path) -> str:
        text = self.text("database_url") or f"sqlite:///{data_dir}/consilium.db"
        scheme, _, rest = text.partition("://")
        if scheme in ("postgres", "postgresql"):
            return f"postgresql+psycopg://{rest}"
        if scheme not in ("sqlite", "postgresql+psycopg"):
            _refuse(
                "settings_database",
                f"{variable('database_url')}: поддерживаются sqlite:///ФАЙЛ и "
                "postgresql://… Only sqlite:///FILE and postgresql://… are supported.",
            )
        return text

    def origin(self, host: str, port: int, *, tls: bool) -> str:
        scheme = "https" if tls else "http"
        shown = f"[{host}]" if ":" in host else host
        usual = port == (443 if tls else 80)
        text = self.text("public_origin") or f"{scheme}://{shown}" + ("" if usual else f":{port}")
        parts = urlsplit(text)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.path not in ("", "/")
            or parts.query
        ):
            _refuse(
                "settings_origin",
                f"{variable('public_origin')}: нужен вид https://host[:port]. "
                "Must look like https://host[:port].",
            )
        return f"{parts.scheme}://{parts.netloc.lower()}"

    def tls_pair(self) -> tuple[Path | None, Path | None]:
        cert, key = self.path("tls_cert"), self.path("tls_key")
        if (cert is None) != (key is None):
            _refuse(
                "settings_tls",
                f"Задайте вместе {variable('tls_cert')} и {variable('tls_key')}. "
                "Set both the certificate and its key.",
            )
        return (cert.resolve(), key.resolve()) if cert and key else (None, None)

    def controls(self, data_dir: Path) -> tuple[str, ...]:
        count = self.number("media_workers", 0, 0, 64) or max(LEAST_WORKERS, (os.cpu_count() or 1) - 1)
        found = self.several("media_controls") or tuple(
            f"unix:{data_dir}/media-{number}.sock" for number in range(1, count + 1)
        )
        for address in found:
            _check_control(address)
        return found

    def media_key(self) -> Path | None:
        key = self.path("media_key_file")
        remote = any(address.startswith("tcp:") for address in self.several("media_controls"))
        if remote and key is None:
            _refuse(
                "settings_media_key",
                f"Для медиасервера по tcp: задайте {variable('media_key_file')}. "
                "A tcp: media worker needs a shared key file.",
            )
        return key.resolve() if key else None

    def turn_urls(self) -> tuple[str, ...]:
        found = self.several("turn_urls")
        for text in found:
            if turn.parse(text) is None:
                _refuse(
                    "settings_turn",
                    f"{variable('turn_urls')}: нужен вид turn:HOST:PORT?transport=udp|tcp или turns:HOST:443, "
                    f"задано «{text}». Must look like turn:HOST:PORT?transport=udp|tcp or turns:HOST:443.",
                )
        if found and self.path("turn_secret_file") is None:
            _refuse(
                "settings_turn_secret",
                f"Для серверов TURN назовите файл с секретом в {variable('turn_secret_file')}; его сделает "
                "`consilium turn config`. TURN servers need a secret file: name it, `consilium turn config` makes it.",
            )
        return found

    def token(self, name: str) -> str | None:
        text = self.text(name)
        if text is not None and (len(text) < MIN_TOKEN or not text.isascii()):
            _refuse(
                f"settings_{name}",
                f"{variable(name)}: не короче {MIN_TOKEN} знаков латиницей, например из "
                f"`openssl rand -hex 16`. At least {MIN_TOKEN} ASCII characters are needed.",
            )
        return text

    def secret(self, data_dir: Path, *, demo: bool) -> str:
        text = self.text("secret_key")
        if text is None and demo:
            return _demo_secret(data_dir)
        if text is None or len(text) < MIN_SECRET:
            _refuse(
                "settings_secret",
                f"Задайте {variable('secret_key')}: не короче {MIN_SECRET} знаков, например "
                f"из `openssl rand -hex 32`. A secret of at least {MIN_SECRET} characters is needed.",
            )
        return text


def _check_control(address: str) -> None:
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest.startswith("/"):
        if len(rest.encode()) > SOCKET_PATH_MAX:
            _refuse(
                "settings_socket_path",
                f"Слишком длинный путь к сокету ({rest}): задайте короче "
                f"{variable('data_dir')} или {variable('media_controls')}. The socket path is too long.",
            )
        return
    host, _, port = rest.rpartition(":")
    if kind != "tcp" or not host or not port.isdigit():
        _refuse(
            "settings_media_controls",
            f"{variable('media_controls')}: нужен вид unix:/ПУТЬ или tcp:HOST:PORT, "
            f"задано «{address}». Must look like unix:/PATH or tcp:HOST:PORT.",
        )


def _demo_secret(data_dir: Path) -> str:
    """Make the secret once; of several processes that start together one wins and all read the same."""
    kept = data_dir / "secret"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            _place(kept, secrets.token_hex(32))
        return kept.read_text(encoding="ascii").strip()
    except OSError as error:
        _refuse(
            "settings_data_dir",
            f"Папка данных {data_dir} недоступна ({error.strerror}): проверьте права и "
            f"место на диске или задайте {variable('data_dir')}. The data folder cannot be used.",
        )


def _place(kept: Path, secret: str) -> None:
    own = kept.with_name(f".secret-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        os.link(own, kept)
    except FileExistsError:
        return
    finally:
        own.unlink(missing_ok=True)
