"""Nothing we ship asks a stranger: no foreign STUN, CDN, font, map or counter in any source."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

FOREIGN = re.compile(
    r"stun[0-9]*\.l\.google|stun\.(services\.mozilla|cloudflare|twilio)|googleapis\.com|gstatic\.com|"
    r"jsdelivr|unpkg\.com|cdnjs|esm\.sh|skypack|bootstrapcdn|code\.jquery|fontawesome|polyfill\.io|"
    r"google-analytics|googletagmanager|mc\.yandex|sentry\.io|gravatar\.com",
    re.IGNORECASE,
)
# A name without a dot is nobody's outside; an address in brackets is IPv6 (2001:db8 is for documentation).
STUN = re.compile(r"[\"'](?:stun|stuns|turn|turns):(\[[^\]]*\]|[^\"'?:/\s]+\.[^\"'?:/\s]+)")
LOCAL = re.compile(
    r"127\.0\.0\.1|\[::1\]|\[2001:db8:|localhost|\{|\$|.*\.(test|example|invalid)$|10\.|192\.0\.2\."
)
TEXT = {
    ".py",
    ".ts",
    ".tsx",
    ".js",
    ".mjs",
    ".html",
    ".j2",
    ".css",
    ".svg",
    ".json",
    ".toml",
    ".yml",
    ".cfg",
    ".xml",
}


# Installed, built or written at run time; none of it is ours to answer for here.
MADE = {
    ".venv",
    ".git",
    "node_modules",
    "dist",
    "var",
    "build",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
}


def sources() -> list[Path]:
    # The lock file names the registry each package came from; this file names what it looks for.
    passed = {"package-lock.json", Path(__file__).name}
    files = (Path(folder, name) for folder, _, names in walk() for name in names)
    return sorted(file for file in files if file.suffix in TEXT and file.name not in passed)


def walk() -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE]
        yield folder, folders, names


def strangers(text: str) -> list[str]:
    servers = [host for host in STUN.findall(text) if not LOCAL.match(host)]
    return [found.group() for found in FOREIGN.finditer(text)] + servers


def test_no_source_names_a_foreign_host():
    found = {
        str(file.relative_to(ROOT)): hosts
        for file in sources()
        if (hosts := strangers(file.read_text("utf-8")))
    }
    assert found == {}


def test_a_foreign_host_would_be_seen():
    assert strangers('iceServers: [{urls: "stun:stun.l.google.com:19302"}]')
    assert strangers('"turn:relay.elsewhere.org"') == ["relay.elsewhere.org"]
    assert strangers('"turns:[2a00::1]:443"') == ["[2a00::1]"]
    assert strangers('"stun:127.0.0.1:3478", "turn:t", "turn: over UDP."') == []


def test_no_machine_path_is_written_down():
    """A path of somebody's machine works on that machine alone."""
    machine = re.compile(r"(?<![\w.])/(?:home|Users|root)/\w")
    found = [str(file.relative_to(ROOT)) for file in sources() if machine.search(file.read_text("utf-8"))]
    found = [name for name in found if name != "tests/house/test_no_foreign_hosts.py"]
    assert found == []
