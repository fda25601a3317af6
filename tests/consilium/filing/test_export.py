"""Every sealed paper lies in the export folder whole, once, whatever happens while it is written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from consilium import sealing, tasks
from consilium.filing import export as exports
from consilium.filing.export import ExportedPaper, export
from consilium.model import FilingStatus
from consilium.store import outbox
from tests.people import World

SEALED = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def paper(**changes: object) -> ExportedPaper:
    made = ExportedPaper(
        document_id=uuid4(),
        set_id=uuid4(),
        version=1,
        number="2026-17",
        paper="protocol",
        kind="190",
        organisation_oid="1.2.643.5.1.13.13.12.2.77.1",
        sealed_at=SEALED,
        replaces=None,
        document=b"<ClinicalDocument/>",
        signatures=(("chair", "p1", b"one"), ("../../etc", "p2", b"two")),
        seal=b"seal",
        package=b"package",
    )
    return dataclasses.replace(made, **changes)


def lines(folder: Path) -> list[dict]:
    found = sorted((folder / "index").glob("*.jsonl"))
    return [json.loads(line) for day in found for line in day.read_text(encoding="utf-8").splitlines()]


def test_a_paper_is_there_with_every_file_and_its_digest(tmp_path: Path) -> None:
    one = paper()
    target = export(tmp_path / "export", one)
    assert target.name == str(one.document_id)
    told = json.loads((target / "metadata.json").read_text(encoding="utf-8"))
    assert [row["file"] for row in told["signatures"]] == ["01-chair.sig", "02-signer.sig"]
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in target.iterdir()
        if file.name != "metadata.json"
    }
    assert found == told["sha256"]
    assert (target / "document.xml").read_bytes() == one.document
    assert lines(tmp_path / "export")[0]["document"] == str(one.document_id)


def test_written_again_it_is_the_same_and_once_in_the_index(tmp_path: Path) -> None:
    one, other = paper(), paper()
    target = export(tmp_path, one)
    before = {file.name: file.stat().st_ino for file in target.iterdir()}
    export(tmp_path, other)
    export(tmp_path, one)
    assert {file.name: file.stat().st_ino for file in target.iterdir()} == before
    assert [row["document"] for row in lines(tmp_path)] == [str(one.document_id), str(other.document_id)]


def test_a_renewed_package_takes_the_old_ones_place_and_nothing_else_changes(tmp_path: Path) -> None:
    one = paper()
    target = export(tmp_path, one)
    before = {file.name: file.read_bytes() for file in target.iterdir()}
    export(tmp_path, dataclasses.replace(one, package=b"renewed"))
    after = {file.name: file.read_bytes() for file in target.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"package.asice", "metadata.json"}
    told = json.loads(after["metadata.json"])
    assert told["sha256"]["package.asice"] == hashlib.sha256(b"renewed").hexdigest()
    assert len(lines(tmp_path)) == 1


def test_many_workers_at_once_lose_no_line_and_double_none(tmp_path: Path) -> None:
    papers = [paper() for _ in range(12)] * 3
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda one: export(tmp_path, one), papers))
    assert sorted(row["document"] for row in lines(tmp_path)) == sorted(
        {str(one.document_id) for one in papers}
    )
    assert not list(tmp_path.rglob("*.draft"))


@pytest.mark.parametrize("at", range(1, 8))
def test_a_write_that_breaks_off_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The disk is full at the n-th file; the next run finds nothing and writes everything."""
    one, count, real = paper(), 0, os.fsync

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(exports.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        export(tmp_path, one)
    left = [entry.name for entry in tmp_path.iterdir() if entry.name != "index"]
    assert left in ([], [str(one.document_id)])
    monkeypatch.setattr(exports.os, "fsync", real)
    assert len(list(export(tmp_path, one).iterdir())) == 6
    assert len(lines(tmp_path)) == 1


def test_a_patients_name_is_in_the_document_alone(tmp_path: Path) -> None:
    one = paper(document="<name>Страдальский</name>".encode())
    target = export(tmp_path, one)
    assert "Страдальский" not in (target / "metadata.json").read_text(encoding="utf-8")
    assert "Страдальский" not in json.dumps(lines(tmp_path), ensure_ascii=False)


@pytest.mark.parametrize("kind", ["general", "commission"])
def test_a_sealed_paper_is_exported_by_the_worker_registered_or_not(world: World, kind: str) -> None:
    logins = ("deputy", "secretary", "member1", *(["member2"] if kind == "commission" else ["ivanova"]))
    protocol = world.signed(*logins, kind=kind)
    sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)})
    with world.parts.store.write(world.now) as tx:
        rows = {row.kind: row for row in outbox.lease_due(tx.connection, world.now, lease=SEALED - SEALED)}
        tx.commit()
    assert ("protocol.file" in rows) == (kind == "general")
    row = rows["protocol.export"]
    assert tasks.handler(row.kind)(world.parts, row.payload) is None
    sealed = world.protocol(protocol.id)
    assert isinstance(sealed.document_id, UUID)
    target = world.parts.settings.export_dir / str(sealed.document_id)
    assert (target / "document.xml").read_bytes() == sealed.document
    assert (target / "package.asice").read_bytes() == (
        sealing.packages(world.parts) / sealed.package_name
    ).read_bytes()
    assert len(list(target.glob("*.sig"))) == len(sealed.current_signatures()) + 1
    assert (sealed.filing is FilingStatus.NONE) == (kind == "commission")
