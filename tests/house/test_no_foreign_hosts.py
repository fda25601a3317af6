"""Nothing we ship asks a stranger: no foreign STUN, CDN, font, map or counter in any tracked source."""

import re
import subprocess
from pathlib import Path

from tests.conftest import ROOT

FOREIGN = re.compile(
    r"stun[0-9]*\.l\.google|stun\.(services\.mozilla|cloudflare|twilio)|googleapis\.com|gstatic\.com|"
    r"jsdelivr|unpkg\.com|cdnjs|esm\.sh|skypack|bootstrapcdn|code\.jquery|fontawesome|polyfill\.io|"
    r"google-analytics|googletagmanager|mc\.yandex|sentry\.io|gravatar\.com",
    re.IGNORECASE,
)
STUN = re.compile(r"[\"'](?:stun|stuns|turn|turns):([^\"'?:/]+)")
LOCAL = re.compile(r"127\.0\.0\.1|\[?::1\]?|localhost|\{|\$|.*\.(test|example|invalid)$|10\.|192\.0\.2\.")
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


def tracked() -> list[Path]:
    named = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = [ROOT / name for name in named.splitlines()]
    # The lock file names the registry each package came from; this file names what it looks for.
    passed = {"package-lock.json", Path(__file__).name}
    return [file for file in files if file.suffix in TEXT and file.name not in passed and file.is_file()]


def strangers(text: str) -> list[str]:
    servers = [host for host in STUN.findall(text) if not LOCAL.match(host)]
    return [found.group() for found in FOREIGN.finditer(text)] + servers


def test_no_source_names_a_foreign_host():
    found = {
        str(file.relative_to(ROOT)): hosts
        for file in tracked()
        if (hosts := strangers(file.read_text("utf-8")))
    }
    assert found == {}


def test_a_foreign_host_would_be_seen():
    assert strangers('iceServers: [{urls: "stun:stun.l.google.com:19302"}]')
    assert strangers('"turn:relay.elsewhere.org"') == ["relay.elsewhere.org"]
    assert strangers('"stun:127.0.0.1:3478"') == []


def test_no_machine_path_is_written_down():
    """A path of somebody's machine works on that machine alone."""
    machine = re.compile(r"(?<![\w.])/(?:home|Users|root)/\w")
    found = [str(file.relative_to(ROOT)) for file in tracked() if machine.search(file.read_text("utf-8"))]
    found = [name for name in found if name != "tests/house/test_no_foreign_hosts.py"]
    assert found == []
