"""The sources of the compiled forwarder under sanitizers, with a fuzzer that has real keys (tests/media/fuzz)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from media.plane.build import NATIVE
from tests.conftest import ROOT

FUZZ = Path(__file__).with_name("fuzz")
CORPUS = sorted((FUZZ / "corpus").iterdir())
STRICT = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wconversion",
    "-Wno-sign-conversion",
    "-Werror",
]
SECONDS = 5
LONG_SECONDS = 180
QUARANTINE = {"ASAN_OPTIONS": "quarantine_size_mb=8", "UBSAN_OPTIONS": "print_stacktrace=1"}

pytestmark = pytest.mark.needs_compiler


def build(compiler: str, flags: list[str], sources: list[str], program: Path) -> Path:
    command = [compiler, "-std=gnu11", "-g", "-O1", *flags, *(str(FUZZ / name) for name in sources)]
    command += [*map(str, sorted(NATIVE.glob("*.c"))), "-lcrypto", "-lpthread", "-o", str(program)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return program


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, **QUARANTINE}
    said = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, errors="replace"
    )
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-6000:]
    return said.stdout + said.stderr


def test_the_sources_compile_without_a_warning(tmp_path):
    for source in sorted(NATIVE.glob("*.c")):
        command = ["gcc", "-std=gnu11", "-O2", *STRICT, "-c", str(source), "-o", str(tmp_path / "object.o")]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr


@pytest.fixture(scope="module")
def mutate(tmp_path_factory):
    program = tmp_path_factory.mktemp("mutate") / "mutate"
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    return build("gcc", flags, ["forwarder.c", "mutate.c"], program)


def test_what_a_fuzzer_found_once_is_harmless(mutate, tmp_path):
    said = run([str(mutate), "0", *map(str, CORPUS)], tmp_path)
    assert int(said.split()[0]) == len(CORPUS)


def test_seconds_of_mutation_find_nothing(mutate, tmp_path):
    said = run([str(mutate), str(SECONDS), *map(str, CORPUS)], tmp_path)
    assert int(said.split()[0]) > len(CORPUS)


def test_a_packet_that_breaks_the_rules_would_be_seen(tmp_path):
    """The fuzz target itself: a forwarder that forgets what it has taken sends one number twice, and it stops."""
    broken = tmp_path / "native"
    shutil.copytree(NATIVE, broken)
    receive = broken / "receive.c"
    text = receive.read_text(encoding="utf-8")
    guard = "number <= top && window_has(&layer->window, number)"
    assert guard in text
    receive.write_text(text.replace(guard, "number < 0"), encoding="utf-8")
    command = ["gcc", "-std=gnu11", "-g", "-O1", str(FUZZ / "forwarder.c"), str(FUZZ / "mutate.c")]
    command += [
        *map(str, sorted(broken.glob("*.c"))),
        "-lcrypto",
        "-lpthread",
        "-o",
        str(tmp_path / "broken"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    said = subprocess.run(
        [str(tmp_path / "broken"), "0", *map(str, CORPUS)], cwd=tmp_path, check=False, capture_output=True
    )
    assert said.returncode < 0


def test_both_threads_share_the_tables_without_a_race(tmp_path):
    program = build("gcc", ["-fsanitize=thread"], ["threads.c"], tmp_path / "threads")
    # ThreadSanitizer cannot map its shadow with as much randomness as newer kernels use.
    said = run(["setarch", "-R", str(program), "3"], tmp_path)
    assert "WARNING" not in said


@pytest.mark.long
def test_minutes_of_fuzzing_find_nothing(mutate, tmp_path):
    """By libFuzzer where it is (apt install clang libclang-rt-14-dev), else by mutation without its guidance."""
    if not list(Path("/usr/lib").glob("llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a")):
        print(run([str(mutate), str(LONG_SECONDS), *map(str, CORPUS)], tmp_path))
        return
    flags = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    program = build("clang", flags, ["forwarder.c"], tmp_path / "fuzz")
    found = tmp_path / "found"
    found.mkdir()
    limits = [f"-max_total_time={LONG_SECONDS}", "-max_len=4096", "-print_final_stats=1"]
    said = run([str(program), *limits, str(found), str(FUZZ / "corpus")], tmp_path)
    print(said[-600:])
