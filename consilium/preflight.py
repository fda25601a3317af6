"""Looks at the machine before anything is installed; runs on the bare system Python, standard library only.

    python3 -I consilium/preflight.py run      what `make run` and `make build` need
    python3 -I consilium/preflight.py tests    what the tests need besides; as root it is installed

It prints one `apt install` line for everything that is missing. Parts that only some features need are
named with what will not work without them, and do not stop the start. Nothing here may be newer than
Python 3.7, so that an old Python too can read it and say that it is too old.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PYTHON = (3, 11)
NODE = 20
FREE_MEGABYTES = 1500
FREE_MEGABYTES_ONCE_BUILT = 100
SYSTEM_PATH = "/usr/bin:/usr/sbin:/usr/local/bin:/sbin"

# Debian keeps libraries in a folder named after the machine's kind.
_LIBRARIES = "/usr/lib/" + str(sysconfig.get_config_var("MULTIARCH"))
LIBRARY_FOLDERS = (_LIBRARIES, _LIBRARIES + "/engines-3", "/usr/lib64", "/usr/lib64/engines-3")
OPENSSL_HEADER = "/usr/include/openssl/evp.h"
PYTHON_HEADER = sysconfig.get_paths()["include"] + "/Python.h"

# What stays out of reach -> Debian packages it needs -> programs, folders or files that show they are there.
OPTIONAL: dict[str, dict[str, tuple[str, ...]]] = {
    "consilium demo; проверка пакета / package verification": {"openssl": ("openssl",)},
    "быстрая пересылка видео, идёт медленная / fast forwarding of video, a slow one serves": {
        "gcc": ("gcc", "cc"),
        "libssl-dev": (OPENSSL_HEADER,),
        "python3-dev": (PYTHON_HEADER,),
    },
    "копия протокола в PDF/A / the protocol's copy as PDF/A": {
        "fonts-dejavu-core": ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",),
    },
    "подписи по ГОСТ / GOST signatures": {"libengine-gost-openssl": ("gost.so",)},
}
TEST_PARTS: dict[str, tuple[tuple[str, ...], str]] = {
    "chromium": (("chromium",), "needs_chromium"),
    "firefox-esr": (("firefox-esr", "firefox"), "needs_firefox"),
    "postgresql": (("/usr/lib/postgresql",), "needs_postgres"),
    "redis-server": (("redis-server",), "needs_redis"),
    "coturn": (("turnserver",), "needs_coturn"),
    "openssl": (("openssl",), "needs_openssl"),
    "libengine-gost-openssl": (("gost.so",), "needs_gost"),
    "softhsm2": (("softhsm2-util",), "needs_softhsm"),
    "fonts-dejavu-core": (("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",), "needs_pdf"),
    "poppler-utils": (("pdftotext",), "needs_pdf"),
    "default-jre-headless": (("java",), "needs_java"),
    "libbcpkix-java": (("/usr/share/java/bcpkix.jar",), "needs_java"),
    "libpdfbox2-java": (("/usr/share/java/preflight.jar",), "needs_java"),
    "libactivation-java": (("/usr/share/java/javax.activation.jar",), "needs_java"),
    "libjaxb-api-java": (("/usr/share/java/jaxb-api.jar",), "needs_java"),
    "gcc": (("gcc",), "needs_compiler"),
    "libssl-dev": ((OPENSSL_HEADER,), "needs_compiler"),
    "python3-dev": ((PYTHON_HEADER,), "needs_compiler"),
}


def main(arguments: list[str]) -> int:
    """Exit status 0: go on. 1: something that cannot be done without is missing."""
    return prepare_tests() if arguments[1:] == ["tests"] else check_machine()


def check_machine() -> int:
    """Name everything that is missing in one go; only what nothing works without stops the start."""
    packages = missing_packages()
    sentences = [*unusable_versions(), *full_disk()]
    if packages:
        sentences.insert(
            0, f"Не хватает системных частей. Missing system parts: apt install -y {' '.join(packages)}"
        )
    for sentence in sentences:
        say(sentence)
    for loss, needs in OPTIONAL.items():
        lacking = " ".join(package for package, signs in needs.items() if not found(signs))
        if lacking:
            say(f"Без {lacking} не работает / not available: {loss}. apt install -y {lacking}")
    return 1 if sentences else 0


def missing_packages() -> list[str]:
    """Debian packages without which nothing can be built."""
    # Debian splits ensurepip off into python3-venv; without it `python3 -m venv` fails half way.
    lacking = [] if importlib.util.find_spec("ensurepip") else ["python3-venv"]
    return lacking + [
        package for package, program in (("nodejs", "node"), ("npm", "npm")) if not found((program,))
    ]


def unusable_versions() -> list[str]:
    """What is there but too old, which apt on Debian 12 cannot mend."""
    sentences = []
    if sys.version_info < PYTHON:
        sentences.append(
            "Нужен Python 3.11 или новее. Python 3.11 or later is needed: make PYTHON=python3.11 run"
        )
    version = node_version()
    if version is not None and version < NODE:
        sentences.append(
            f"Нужен Node.js {NODE} или новее, найден {version}. "
            f"Node.js {NODE} or later is needed, Debian 12 has an older one: install it from nodejs.org."
        )
    return sentences


def node_version() -> int | None:
    """Major version of Node.js, or None when there is none."""
    if not shutil.which("node"):
        return None
    said = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, check=False).stdout.decode()
    major = said.strip().lstrip("v").split(".")[0]
    return int(major) if major.isdigit() else None


def full_disk() -> list[str]:
    """A sentence when the disk is too full to install, or to run once installed."""
    need = FREE_MEGABYTES_ONCE_BUILT if Path(".venv").is_dir() else FREE_MEGABYTES
    free = shutil.disk_usage(".").free // 2**20
    if free >= need:
        return []
    return [
        f"Мало места на диске: {free} МБ из {need} МБ. Free some disk space: {need} MB are needed, {free} MB left."
    ]


def prepare_tests() -> int:
    """Install what is missing when root; otherwise name it with the tests that will be skipped."""
    lacking = missing_test_parts()
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        install(lacking)
        lacking = missing_test_parts()
    for package in lacking:
        say(
            f"Нет {package}: тесты {TEST_PARTS[package][1]} пропускаются. Skipped without: apt install -y {package}"
        )
    return 0


def missing_test_parts() -> list[str]:
    """Debian packages of TEST_PARTS that this machine lacks."""
    return [package for package, (programs, _) in TEST_PARTS.items() if not found(programs)]


def install(packages: list[str]) -> None:
    """Ask apt; what it cannot bring (no network) is reported by the caller."""
    say("apt-get install " + " ".join(packages))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["update"], ["-y", "--no-install-recommends", "install", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, check=False, stdout=subprocess.DEVNULL)


def found(signs: tuple[str, ...]) -> bool:
    """Whether one of these is there: a path from the root, a library, a program on PATH or in the system's folders."""
    return any(present(one) for one in signs)


def present(sign: str) -> bool:
    """One sign: what names a `.so` is looked for in the folders of libraries."""
    if sign.startswith("/"):
        return Path(sign).exists()
    if ".so" in sign:
        return any((Path(folder) / sign).exists() for folder in LIBRARY_FOLDERS)
    return bool(shutil.which(sign, path=os.environ.get("PATH", "") + ":" + SYSTEM_PATH))


def say(text: str) -> None:
    """A line for a person; on the errors stream, so that the output of make stays usable."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
