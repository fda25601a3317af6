"""Who may import whom (house plan, section 3). A wrong arrow fails here, by file and line."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

OURS = ("consilium", "signaling", "media", "web", "tests", "bench")
ASYNC = {"aiohttp", "socketio", "engineio", "aiortc", "aioice", "asyncio", "anyio", "uvicorn"}
# What each package may import of ours besides itself.
ALLOWED = {
    "media": (),
    "consilium": (),
    # The client half of the control channel is control.py's client and the errors it raises.
    "signaling": ("consilium", "media.control", "media.errors"),
    "web": ("consilium",),
}
# Only these files see further: one port for one machine needs both halves.
FURTHER = {"web/edge.py": ("signaling",)}
INNERMOST = ("rules", "model", "commands", "events", "errors", "snapshot")
# msgspec.Meta stands in the types of the commands; it does nothing until the wire asks.
INNERMOST_LIBRARIES = {"msgspec"}


@dataclass(frozen=True)
class Arrow:
    file: Path
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.target}"


def sources(package: str) -> list[Path]:
    return sorted(
        path
        for path in (ROOT / package).rglob("*.py")
        if not {"client", "static", "node_modules"} & set(path.parts)
    )


def arrows(file: Path, *, types_too: bool = True) -> Iterator[Arrow]:
    """Every import in the file, also those inside functions; relative ones made absolute."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = set() if types_too else _only_for_types(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (Arrow(file, node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(file, node)


def _from(file: Path, node: ast.ImportFrom) -> Iterator[Arrow]:
    base = node.module or ""
    if node.level:
        package = file.relative_to(ROOT).with_suffix("").parts[: -node.level]
        base = ".".join([*package, *([base] if base else [])])
    for name in node.names:
        # `from consilium import log` is an arrow to consilium.log; `from x import Name` to x.
        inner = ROOT.joinpath(*base.split("."), name.name)
        is_module = inner.is_dir() or inner.with_suffix(".py").exists()
        yield Arrow(file, node.lineno, f"{base}.{name.name}" if is_module else base)


def _only_for_types(tree: ast.Module) -> set[ast.AST]:
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def within(target: str, prefixes: tuple[str, ...]) -> bool:
    return any(target == prefix or target.startswith(prefix + ".") for prefix in prefixes)


def wrong_between_packages(package: str) -> list[str]:
    found = []
    for file in sources(package):
        further = FURTHER.get(str(file.relative_to(ROOT)), ())
        allowed = (package, *ALLOWED[package], *further)
        found += [
            str(arrow)
            for arrow in arrows(file)
            if within(arrow.target, OURS) and not within(arrow.target, allowed)
        ]
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_only_along_the_arrows(package):
    assert wrong_between_packages(package) == []


def test_the_domain_knows_no_async():
    wrong = [
        str(arrow)
        for file in sources("consilium")
        for arrow in arrows(file)
        if arrow.target.split(".")[0] in ASYNC
    ]
    assert wrong == []


def test_the_domain_has_no_coroutines():
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sources("consilium")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]
    assert wrong == []


def test_the_innermost_layer_imports_only_itself_and_the_standard_library():
    allowed = tuple(f"consilium.{name}" for name in INNERMOST)
    wrong = [
        str(arrow)
        for name in INNERMOST
        for file in _files_of(name)
        for arrow in arrows(file, types_too=False)
        if not (within(arrow.target, allowed) or _library(arrow.target))
    ]
    assert wrong == []


def _files_of(name: str) -> list[Path]:
    single = ROOT / "consilium" / f"{name}.py"
    return [single] if single.exists() else sources(f"consilium/{name}")


def _library(target: str) -> bool:
    top = target.split(".", maxsplit=1)[0]
    return top in sys.stdlib_module_names or top in INNERMOST_LIBRARIES


def test_rules_ask_no_clock_and_touch_no_file():
    """Rules get `at`; a rule that asks the time cannot be tested at a chosen moment."""
    wrong = [
        str(arrow)
        for file in sources("consilium/rules")
        for arrow in arrows(file)
        if within(
            arrow.target, ("consilium.clock", "consilium.store", "time", "os", "socket", "random", "pathlib")
        )
    ]
    assert wrong == []


def test_nothing_imports_tests_or_bench():
    wrong = [
        str(arrow)
        for package in ALLOWED
        for file in sources(package)
        for arrow in arrows(file)
        if within(arrow.target, ("tests", "bench"))
    ]
    assert wrong == []


def test_the_command_line_starts_other_parts_and_imports_none():
    files = [ROOT / "consilium" / name for name in ("cli.py", "supervise.py")]
    wrong = [
        str(arrow)
        for file in files
        for arrow in arrows(file)
        if within(arrow.target, ("signaling", "media", "web"))
    ]
    assert wrong == []


def test_private_names_of_aiortc_are_touched_in_one_file():
    """aiortc is pinned; what breaks on its next release must stand in one place."""
    private = ("_handle_rtp_packet", "_handle_rtcp_packet", "_send_rtp", "_send_rtcp", "__fields")
    seam = ROOT / "media" / "aiortc_seam.py"
    wrong = [
        f"{file.relative_to(ROOT)} says {name}"
        for package in ("media", "signaling", "web")
        for file in sources(package)
        if file != seam
        for name in private
        if f".{name}" in file.read_text(encoding="utf-8")
    ]
    assert wrong == []


def test_the_client_half_of_the_control_channel_brings_no_relay_with_it():
    """Signaling dials the worker; aiortc, av and their threads stay in the worker's process."""
    code = "import sys, media.control, media.errors; print([m for m in ('aiortc', 'av', 'aioice') if m in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == "[]"


def test_a_wrong_arrow_would_be_seen(tmp_path, monkeypatch):
    """The walker itself: absolute, relative, inside a function, and through `from package import module`."""
    package = tmp_path / "web"
    package.mkdir()
    file = package / "page.py"
    (tmp_path / "signaling").mkdir()
    (tmp_path / "signaling" / "rtc.py").touch()
    file.write_text(
        "import media.room\nfrom signaling import rtc\nfrom . import edge\ndef f():\n    import bench.x\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert [arrow.target for arrow in arrows(file)] == ["media.room", "signaling.rtc", "web", "bench.x"]
    assert len(wrong_between_packages("web")) == 3
