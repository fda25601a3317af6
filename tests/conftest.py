"""What every test may ask for: services, browsers, official files; and what no test may do.

A part that this machine lacks skips exactly the tests that need it, by name; with CI=true it fails them.
"""

import ipaddress
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import ifaddr
import pytest

from consilium import preflight
from consilium.settings import Settings
from tests import services

ROOT = Path(__file__).resolve().parent.parent


if named := os.environ.get("CONSILIUM_SEMD_DIR"):
    # A relative setting counts from the checkout; child processes run in folders of their own.
    os.environ["CONSILIUM_SEMD_DIR"] = str((ROOT / named).resolve())


def official_files() -> Path | None:
    """The folder with nsi/ and guides/, or None."""
    folder = Path(os.environ.get("CONSILIUM_SEMD_DIR") or ROOT / "nowhere")
    return folder if (folder / "nsi").is_dir() else None


def library(name: str) -> str | None:
    """The name, where this machine has the library."""
    return name if preflight.present(name) else None


def compiler() -> str | None:
    """gcc, where it has the headers that the compiled forwarder includes."""
    return services.program("gcc") if Path("/usr/include/openssl/evp.h").exists() else None


FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
JARS = tuple(
    f"/usr/share/java/{name}.jar" for name in ("bcpkix", "preflight", "javax.activation", "jaxb-api")
)

# Marker -> how to find the part, and what to do when it is missing.
PARTS: dict[str, tuple[Callable[[], object], str]] = {
    "needs_chromium": (lambda: services.program("chromium", "chromium-browser"), "apt install chromium"),
    "needs_firefox": (lambda: services.program("firefox-esr", "firefox"), "apt install firefox-esr"),
    "needs_postgres": (services.postgres_bin, "apt install postgresql"),
    "needs_redis": (lambda: services.program("redis-server"), "apt install redis-server"),
    "needs_coturn": (lambda: services.program("turnserver"), "apt install coturn"),
    "needs_openssl": (lambda: services.program("openssl"), "apt install openssl"),
    "needs_gost": (lambda: library("gost.so"), "apt install libengine-gost-openssl"),
    "needs_softhsm": (lambda: services.program("softhsm2-util"), "apt install softhsm2"),
    "needs_pdf": (
        lambda: preflight.present(FONT) and services.program("pdftotext"),
        "apt install fonts-dejavu-core poppler-utils",
    ),
    "needs_java": (
        lambda: services.program("java") if all(map(preflight.present, JARS)) else None,
        "apt install default-jre-headless libbcpkix-java libpdfbox2-java libactivation-java libjaxb-api-java",
    ),
    "needs_compiler": (compiler, "apt install gcc libssl-dev python3-dev"),
    "needs_semd": (official_files, "set CONSILIUM_SEMD_DIR to the folder with nsi/ and guides/"),
}


def require(marker: str) -> object:
    """The part itself; without it the test is skipped, or failed where CI promised to have everything."""
    find, remedy = PARTS[marker]
    part = find()
    if not part:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(f"{marker}: {remedy}")
    return part


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        if mark.name in PARTS:
            require(mark.name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """libpq address of a throwaway PostgreSQL for this test run; make databases of your own in it."""
    require("needs_postgres")
    with services.postgres() as address:
        yield address


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Address of a throwaway Redis for this test run."""
    require("needs_redis")
    with services.redis_server() as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """SQLAlchemy address of an empty database; the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/consilium.db"
        return
    with services.fresh_database(request.getfixturevalue("postgres_url")) as address:
        yield address


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Demonstration settings with everything in the test's own folder, on both databases."""
    return Settings.from_environment(
        {
            "CONSILIUM_DEMO": "1",
            "CONSILIUM_DATA_DIR": str(tmp_path / "var"),
            "CONSILIUM_DATABASE_URL": database_url,
            "CONSILIUM_MEDIA_ADDRESSES": "127.0.0.1",
        }
    )


@pytest.fixture(scope="session")
def coturn() -> Iterator[services.Turn]:
    """A throwaway TURN relay on loopback."""
    require("needs_coturn")
    with services.coturn() as turn:
        yield turn


@pytest.fixture
def chromium_path() -> str:
    """The system's Chromium, for Playwright's `executable_path`."""
    return str(require("needs_chromium"))


@pytest.fixture
def firefox_path() -> str:
    """The system's Firefox ESR, for geckodriver or WebDriver BiDi."""
    return str(require("needs_firefox"))


@pytest.fixture(scope="session")
def openssl_path() -> str:
    """The openssl program, the independent judge of our signatures."""
    return str(require("needs_openssl"))


@pytest.fixture(scope="session")
def semd_dir() -> Path:
    """The official dictionaries and schemas."""
    return Path(str(require("needs_semd")))


OWN = {str(ip.ip if ip.is_IPv4 else ip.ip[0]) for adapter in ifaddr.get_adapters() for ip in adapter.ips}
"""What the kernel delivers on this machine, whatever interface it belongs to."""
_strangers: list[str] = []


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: refuse to leave this machine, and remember who tried, since code may swallow the refusal."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = str(address[0]) if isinstance(address, tuple) and address else None
    elif event == "socket.getaddrinfo":
        host = (
            str(arguments[0], "ascii")
            if isinstance(arguments[0], bytes)
            else arguments[0] and str(arguments[0])
        )
    else:
        return
    if host and not _is_local(str(host)):
        _strangers.append(f"{event} {host}")
        raise PermissionError(f"a test may not leave this machine: {event} {host}")


def _is_local(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or str(address) in OWN


sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine() -> Iterator[None]:
    """Fail a test that asked a name server or sent to an address other than loopback."""
    _strangers.clear()
    yield
    left, _strangers[:] = list(_strangers), []
    assert not left, f"left this machine: {left}"
