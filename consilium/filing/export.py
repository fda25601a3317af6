"""The export folder: every sealed paper as plain files, for a МИС, an archive or a registry operator to take.

    <folder>/<document id>/document.xml         the frozen bytes
                           01-chair.sig …       each participant's detached CMS (DER), in signing order
                           org.sig              the organisation's
                           package.asice        everything, with the evidence
                           metadata.json        what it is, whose, and the sha256 of every file
    <folder>/index/<day>.jsonl                  one line a paper, by the day it was sealed

A paper appears whole or not at all: it is written beside and renamed. Written again it stays as it is, but for a
package that was renewed since: that one takes the old one's place, and its digest the old one's. Nobody here ever
deletes; whoever collects may.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

FORMAT = "consilium-export/1"
METADATA = "metadata.json"
PACKAGE = "package.asice"
_PLAIN = re.compile(r"[a-z0-9_.-]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedPaper:
    """One sealed paper. `signatures`: (role, person id, CMS) in signing order; `kind`: code of 11.1520 or None."""

    document_id: UUID
    set_id: UUID
    version: int
    number: str
    paper: str
    kind: str | None
    organisation_oid: str
    sealed_at: datetime
    replaces: UUID | None
    document: bytes
    signatures: tuple[tuple[str, str, bytes], ...]
    seal: bytes
    package: bytes


def export(folder: Path, one: ExportedPaper) -> Path:
    """Write the paper and its line in the index. Safe to run again, also after a crash at any point.

    Raises OSError when the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / str(one.document_id)
    if not (target / METADATA).is_file():
        _place(folder, target, _files(one))
    elif (target / PACKAGE).read_bytes() != one.package:
        _renew(folder, target, one)
    _index(folder, one)
    return target


def _files(one: ExportedPaper) -> dict[str, bytes]:
    files = {"document.xml": one.document, "org.sig": one.seal, PACKAGE: one.package}
    signatures = []
    for at, (role, person, cms) in enumerate(one.signatures, 1):
        name = f"{at:02}-{role if _PLAIN.fullmatch(role) else 'signer'}.sig"
        files[name] = cms
        signatures.append({"file": name, "role": role, "person": person})
    return files | {METADATA: _encoded(_metadata(one, files) | {"signatures": signatures}, indent=2)}


def _metadata(one: ExportedPaper, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **_line(one),
        "set": str(one.set_id),
        "replaces": str(one.replaces) if one.replaces else None,
        "seal": "org.sig",
        "package": PACKAGE,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }


def _line(one: ExportedPaper) -> dict[str, Any]:
    """What identifies a paper, without anything about the patient."""
    return {
        "document": str(one.document_id),
        "version": one.version,
        "number": one.number,
        "paper": one.paper,
        "kind": one.kind,
        "organization": one.organisation_oid,
        "sealed_at": one.sealed_at.isoformat(),
    }


def _encoded(value: dict[str, Any], indent: int | None = None) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode()


def _place(folder: Path, target: Path, files: Mapping[str, bytes]) -> None:
    draft = folder / f".{uuid4().hex}.draft"
    draft.mkdir(mode=0o700)
    try:
        for name, data in files.items():
            _write(draft / name, data)
        _sync_folder(draft)
        try:
            draft.rename(target)
        except OSError:
            # Another worker was faster; a folder without its metadata is none of ours and stays an error.
            if not (target / METADATA).is_file():
                raise
        _sync_folder(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _renew(folder: Path, target: Path, one: ExportedPaper) -> None:
    """The package first: between the two a reader sees a digest that is of the earlier one, and reads again."""
    for name in (PACKAGE, METADATA):
        draft = folder / f".{uuid4().hex}.draft"
        _write(draft, _files(one)[name])
        draft.replace(target / name)
    _sync_folder(target)


def _index(folder: Path, one: ExportedPaper) -> None:
    """Add the paper's line to its day, once: the day's file is replaced whole, under a lock."""
    with _locked(folder / "index") as index:
        day = index / f"{one.sealed_at.date().isoformat()}.jsonl"
        lines = day.read_bytes().splitlines(keepends=True) if day.exists() else []
        line = _encoded(_line(one))
        if line in lines:
            return
        draft = index / f".{uuid4().hex}.draft"
        _write(draft, b"".join([*lines, line]))
        draft.replace(day)
        _sync_folder(index)


@contextmanager
def _locked(index: Path) -> Iterator[Path]:
    index.mkdir(mode=0o700, exist_ok=True)
    with (index / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield index


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
