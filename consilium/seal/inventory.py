"""Check a folder of packages, one after another, and go on where the last run broke off.

Every verdict is appended to a state file at once. A second run takes from it what has the same name, size and
SHA-256, so that only reading is paid for twice. The moment of judgement is that of the state's first line: a run of
three evenings judges all packages as of one moment. Memory holds names and one package at a time.

The state may lie in the very folder that is judged, which may be a stranger's: its lines count only with a code made
by a key of this user's (`consilium/archive.key` in his folder of program state), and it is no link to elsewhere.
"""

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Self

from consilium.seal.container import SIZE_LIMIT
from consilium.seal.package import write_whole
from consilium.seal.policy import Policy
from consilium.seal.report import PackageReport, verify_package
from consilium.seal.trust import TrustStore

__all__ = ["Entry", "Progress", "Summary", "check_folder"]

SUFFIX = ".asice"
STATE = "verified.jsonl"
TOLD_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One package's line of the state: what was judged, and how it ended; moments in ISO 8601 or empty.

    ``document`` is the SHA-256 of what was signed, ``sealer`` a digest of whose seal it bears; ``annuls`` what an act annuls
    (SHA-256 of a document), with the act's ``number`` and ``since`` when it is in force.
    """

    name: str
    size: int
    sha256: str
    held: bool
    codes: str
    good_until: str
    document: str
    sealer: str
    annuls: str
    number: str
    since: str


@dataclass(frozen=True, slots=True)
class Annulment:
    """A package of the folder whose document is out of force: the file, and the act with its file, number and date."""

    name: str
    act: str
    number: str
    since: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: packages done and in all, taken over from an earlier run, a second; seconds left."""

    done: int
    total: int
    taken_over: int
    refused: int
    rate: float

    @property
    def seconds_left(self) -> float:
        """At the present rate."""
        return (self.total - self.done) / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a whole folder came to; ``refused`` as entries, ``ends_first`` the soonest end of a newest timestamp.

    ``annulled`` are out of force by acts of the same folder; an archive is meant to hold both, and holds with them.
    """

    at: datetime
    total: int
    taken_over: int
    refused: tuple[Entry, ...]
    ends_first: str
    annulled: tuple[Annulment, ...] = ()

    @property
    def held(self) -> bool:
        """Whether there was something, and all of it held."""
        return bool(self.total) and not self.refused


def check_folder(
    folder: Path,
    *,
    roots: TrustStore | None,
    at: datetime | None,
    now: datetime,
    policy: Policy | None = None,
    state: Path | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Judge every package of the folder (not of folders in it), by name.

    ``at`` None means the moment the state was begun at, or ``now`` for a new state. A state of another moment, of
    other roots or of another policy is begun anew. Raises OSError for a folder or state that cannot be read or written.
    """
    file = state or folder / STATE
    names = sorted(one.name for one in folder.iterdir() if one.suffix == SUFFIX and one.is_file())
    key = _own_key()
    trusted = _trusted(roots, policy)
    known, begun = _read_state(file, trusted, key)
    if at is not None and at != begun:
        known, begun = {}, None
    moment = at or begun or now
    head = {"at": moment.isoformat(), "roots": trusted}
    with _State(file, head, key, fresh=begun is None) as written:
        return _run(folder, names, known, (roots, policy, moment), written, tell)


def _run(
    folder: Path,
    names: list[str],
    known: dict[str, Entry],
    judged_by: tuple[TrustStore | None, Policy | None, datetime],
    written: "_State",
    tell: Callable[[Progress], None],
) -> Summary:
    roots, policy, at = judged_by
    annulments = _Annulments()
    taken, refused, ends, began, told = 0, [], "", time.monotonic(), 0.0
    for number, name in enumerate(names, 1):
        # One byte too many is enough to be refused by.
        with (folder / name).open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        digest = hashlib.sha256(content).hexdigest()
        before = known.get(name)
        if before is not None and (before.size, before.sha256) == (len(content), digest):
            entry, taken = before, taken + 1
        else:
            entry = _entry(name, content, digest, verify_package(content, roots=roots, now=at, policy=policy))
            written.append(entry)
        annulments.note(entry)
        if not entry.held:
            refused.append(entry)
        ends = min(filter(None, (ends, entry.good_until)), default="")
        elapsed = time.monotonic() - began
        if elapsed - told >= TOLD_EVERY or number == len(names):
            told = elapsed
            tell(Progress(number, len(names), taken, len(refused), number / elapsed if elapsed else 0.0))
    return Summary(at, len(names), taken, tuple(refused), ends, annulments.found())


def _entry(name: str, content: bytes, digest: str, report: PackageReport) -> Entry:
    codes = sorted({one.code for one in report.verdicts if not one.held})
    until = report.good_until.isoformat() if report.good_until else ""
    return Entry(
        name=name,
        size=len(content),
        sha256=digest,
        held=report.held,
        codes=", ".join(codes),
        good_until=until,
        document=report.document_sha256,
        sealer=report.sealer,
        annuls=report.annuls.sha256 if report.annuls else "",
        number=report.annuls.number if report.annuls else "",
        since=report.sealed_at.isoformat() if report.annuls and report.sealed_at else "",
    )


class _Annulments:
    """Acts of the folder and what they may annul: digests and names, whatever the packages weigh."""

    def __init__(self) -> None:
        self._acts: list[Entry] = []
        self._documents: dict[tuple[str, str], list[str]] = {}

    def note(self, entry: Entry) -> None:
        """Only what holds annuls or is annulled; the seal says whose it is."""
        if not entry.held or not entry.sealer:
            return
        if entry.annuls and entry.since:
            self._acts.append(entry)
        else:
            self._documents.setdefault((entry.document, entry.sealer), []).append(entry.name)

    def found(self) -> tuple[Annulment, ...]:
        """In the order of packages; the earliest act of each."""
        first: dict[str, Annulment] = {}
        for act in sorted(self._acts, key=lambda one: one.since):
            for name in self._documents.get((act.annuls, act.sealer), ()):
                first.setdefault(name, Annulment(name, act.name, act.number, act.since))
        return tuple(first[name] for name in sorted(first))


def _trusted(roots: TrustStore | None, policy: Policy | None) -> str:
    """A digest of what is believed, so that verdicts under other roots or rules are not taken over."""
    believed = b"".join((*roots.roots, *roots.intermediates, *roots.crls)) if roots else b""
    rules = f"{policy.id} {policy.digest}".encode() if policy else b""
    return hashlib.sha256(believed + rules).hexdigest()


def _own_key() -> bytes:
    """What tells this user's verdicts from those somebody else wrote; where it cannot be kept nothing is taken over."""
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        file = Path(home) / "consilium" / "archive.key"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.is_file():
            write_whole(file, secrets.token_bytes(32))
            file.chmod(0o600)
        return file.read_bytes()
    except (OSError, RuntimeError):
        return secrets.token_bytes(32)


def _coded(row: Mapping[str, object], key: bytes, head: str) -> str:
    """The row as a line, with its code and that of the state it belongs to."""
    content = json.dumps(row, ensure_ascii=False, sort_keys=True)
    code = hmac.new(key, f"{head}\n{content}".encode(), "sha256").hexdigest()
    return json.dumps({**row, "code": code}, ensure_ascii=False)


def _is_own(row: dict[str, object], key: bytes, head: str) -> bool:
    said = str(row.get("code", ""))
    bare = {name: value for name, value in row.items() if name != "code"}
    code = json.loads(_coded(bare, key, head))["code"]
    return hmac.compare_digest(said.encode(), code.encode())


def _read_state(file: Path, trusted: str, key: bytes) -> tuple[dict[str, Entry], datetime | None]:
    """Entries of an earlier run of ours under the same roots; a line torn by a crash is left out."""
    if not file.is_file():
        return {}, None
    with file.open(encoding="utf-8", errors="replace") as lines:
        rows = _rows(lines)
        head = next(rows, {})
        if head.get("roots") != trusted or not _is_own(head, key, ""):
            return {}, None
        try:
            begun = datetime.fromisoformat(str(head["at"]))
            own = (row for row in rows if _is_own(row, key, str(head["code"])))
            return {entry.name: entry for entry in map(_entry_of, own)}, begun
        except (TypeError, KeyError, ValueError):
            return {}, None


def _entry_of(row: dict[str, object]) -> Entry:
    said = {one.name: str(row[one.name]) for one in fields(Entry) if one.type is str}
    return Entry(size=int(str(row["size"])), held=row["held"] is True, **said)


def _rows(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


class _State:
    """The state file, open for appending; begun anew or gone on with."""

    def __init__(self, file: Path, head: dict[str, str], key: bytes, *, fresh: bool) -> None:
        how = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_TRUNC if fresh else os.O_APPEND)
        self._file = os.fdopen(os.open(file, how, 0o640), "w" if fresh else "a", encoding="utf-8")
        first = _coded(head, key, "")
        self._key, self._head = key, str(json.loads(first)["code"])
        # A torn line of a crash must not swallow the next one.
        self._file.write(first + "\n" if fresh else "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, entry: Entry) -> None:
        """Write a verdict down before the next package is opened."""
        self._file.write(_coded(asdict(entry), self._key, self._head) + "\n")
        self._file.flush()
