"""Is the journal whole? Recompute every chain, compare it with heads and anchors; write new anchors.

What each check finds: an edited row (its hash), a swapped or inserted one (prev_hash, number, position), a
deleted one (a number is missing), a cut tail or a missing stream (the head; and, where the heads were cut
too, the last anchor that names them), a deleted anchor (its number; the AnchorWritten event that tells
of it). Rewriting journal, heads and anchors together is found only with `witness`: hashes kept elsewhere.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from consilium import clock
from consilium.events import AnchorWritten, ProtocolFrozen
from consilium.store import journal as chain
from consilium.store.faults import translated
from consilium.store.journal import GENESIS, Pending
from consilium.store.tables import anchors, journal, journal_heads, protocols
from consilium.store.transaction import Reader, Transaction

if TYPE_CHECKING:
    from consilium.parts import Parts

log = logging.getLogger(__name__)

_BATCH = 2_000
Stream = tuple[str, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first thing that is wrong. `position` is 0 where a row is missing.

    reason: number_missing, chain_broken, hash_wrong, payload_changed, position_wrong, head_differs,
    stream_missing, anchor_missing, anchor_changed, anchor_differs, witness_differs, document_differs.
    """

    stream_kind: str
    stream_id: UUID
    seq: int
    position: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    rows: int
    streams: int
    anchors: int
    broken: Broken | None

    @property
    def whole(self) -> bool:
        return self.broken is None


class _Found(Exception):
    def __init__(self, broken: Broken) -> None:
        super().__init__(broken.reason)
        self.broken = broken


def verify(reader: Reader, witness: Mapping[UUID, Mapping[int, str]] | None = None) -> Verdict:
    """Check everything in one snapshot; stops at the first broken row.

    `witness`: organisation id -> anchor number -> hash, as the log or a paper outside the database has them.
    """
    counted = {"rows": 0, "streams": 0, "anchors": 0}
    try:
        hashes = _chains(reader, counted)
        _heads(reader, hashes)
        _anchors(reader, hashes, witness or {}, counted)
        _documents(reader)
        return Verdict(**counted, broken=None)
    except _Found as found:
        return Verdict(**counted, broken=found.broken)


def _chains(reader: Reader, counted: dict[str, int]) -> dict[Stream, list[str]]:
    """Hashes of every stream in order; the row `seq` is at index seq - 1."""
    query = sa.select(journal).order_by(journal.c.stream_kind, journal.c.stream_id, journal.c.seq)
    hashes: dict[Stream, list[str]] = {}
    with reader.connection.execute(query.execution_options(yield_per=_BATCH)) as result:
        rows = result.mappings()
        for stream, own in groupby(rows, key=lambda row: (row["stream_kind"], row["stream_id"])):
            hashes[stream] = list(_chain(own, counted))
            counted["streams"] += 1
    return hashes


def _chain(rows: Iterator[Any], counted: dict[str, int]) -> Iterator[str]:
    before, position = GENESIS, 0
    for seq, row in enumerate(rows, start=1):
        reason = _fault(row, seq, before, position)
        if reason:
            raise _Found(_broken(row["stream_kind"], row["stream_id"], seq, reason, row["position"]))
        before, position = row["hash"], row["position"]
        counted["rows"] += 1
        yield before


def _fault(row: Any, seq: int, before: str, position: int) -> str | None:
    if row["seq"] != seq:
        return "number_missing"
    if row["prev_hash"] != before:
        return "chain_broken"
    if row["position"] <= position:
        return "position_wrong"
    payload = row["payload"]
    if payload is not None and hashlib.sha256(payload.encode()).hexdigest() != row["payload_digest"]:
        return "payload_changed"
    return None if chain.row_hash(row) == row["hash"] else "hash_wrong"


def _heads(reader: Reader, hashes: dict[Stream, list[str]]) -> None:
    known: set[Stream] = set()
    for row in reader.connection.execute(sa.select(journal_heads)).mappings():
        stream = (row["stream_kind"], row["stream_id"])
        known.add(stream)
        found = hashes.get(stream)
        if found is None:
            raise _Found(_broken(*stream, row["seq"], "stream_missing"))
        if len(found) != row["seq"] or found[-1] != row["hash"]:
            raise _Found(_broken(*stream, row["seq"], "head_differs"))
    for stream in sorted(hashes.keys() - known):
        raise _Found(_broken(*stream, 0, "head_differs"))


def _anchors(
    reader: Reader,
    hashes: dict[Stream, list[str]],
    witness: Mapping[UUID, Mapping[int, str]],
    counted: dict[str, int],
) -> None:
    told = _told(reader)
    query = sa.select(anchors).order_by(anchors.c.organisation_id, anchors.c.n)
    rows = reader.connection.execute(query).mappings().all()
    for organisation, own in groupby(rows, key=lambda row: row["organisation_id"]):
        written = told.pop(organisation, [])
        seen = _anchor_chain(organisation, list(own), written, hashes)
        counted["anchors"] += len(seen)
        for n, hashed in witness.get(organisation, {}).items():
            if not 0 < n <= len(seen) or seen[n - 1] != hashed:
                raise _Found(_broken("anchor", organisation, n, "witness_differs"))
    for organisation in sorted(told.keys() | (witness.keys() - {row["organisation_id"] for row in rows})):
        raise _Found(_broken("anchor", organisation, 1, "anchor_missing"))


def _documents(reader: Reader) -> None:
    """Frozen bytes are those the journal tells of: the last freezing of each paper that is not being written."""
    table = protocols.c
    columns = (table.id, table.version, table.digest, table.document)
    query = sa.select(*columns).where(table.document_id.is_not(None)).order_by(table.id)
    with reader.connection.execute(query.execution_options(yield_per=50)) as result:
        for key, version, digest, document in result:
            found = hashlib.sha256(document).hexdigest()
            if digest != found or _frozen(reader, key, version) != found:
                raise _Found(_broken("protocol", key, version, "document_differs"))


def _frozen(reader: Reader, key: UUID, version: int) -> str:
    """The digest the journal has of a paper's version; empty where it tells of none."""
    where = (journal.c.stream_kind == "protocol", journal.c.stream_id == key)
    query = sa.select(journal.c.payload).where(*where, journal.c.name == ProtocolFrozen.__name__)
    told = [
        msgspec.json.decode(payload, type=ProtocolFrozen)
        for payload in reader.connection.execute(query).scalars()
        if payload is not None
    ]
    return next((one.digest for one in told if one.version == version), "")


def _told(reader: Reader) -> dict[UUID, list[tuple[str, int]]]:
    """(hash, position) that every AnchorWritten event tells of, per organisation, in order."""
    query = (
        sa.select(journal.c.organisation_id, journal.c.payload, journal.c.position)
        .where(journal.c.name == AnchorWritten.__name__)
        .order_by(journal.c.position)
    )
    told: dict[UUID, list[tuple[str, int]]] = {}
    for organisation, payload, position in reader.connection.execute(query):
        hashed = msgspec.json.decode(payload, type=AnchorWritten).digest if payload else ""
        told.setdefault(organisation, []).append((hashed, position))
    return told


def _anchor_chain(
    organisation: UUID, rows: list[Any], told: list[tuple[str, int]], hashes: dict[Stream, list[str]]
) -> list[str]:
    before, seen, positions = GENESIS, [], []
    for n, row in enumerate(rows, start=1):
        if row["n"] != n or row["prev_hash"] != before:
            raise _Found(_broken("anchor", organisation, n, "anchor_missing"))
        digest = hashlib.sha256(row["heads"].encode()).hexdigest()
        if digest != row["digest"] or _anchor_hash(row) != row["hash"]:
            raise _Found(_broken("anchor", organisation, n, "anchor_changed"))
        _named(row["heads"], hashes)
        before = row["hash"]
        seen.append(before)
        positions.append(row["position"])
    if told != list(zip(seen, positions, strict=True)):
        raise _Found(_broken("anchor", organisation, min(len(told), len(seen)) + 1, "anchor_missing"))
    return seen


def _named(heads: str, hashes: dict[Stream, list[str]]) -> None:
    """Every head an anchor names is still there, with the same hash."""
    for kind, stream_id, seq, hashed in msgspec.json.decode(heads):
        found = hashes.get((kind, UUID(stream_id)))
        if found is None:
            raise _Found(_broken(kind, UUID(stream_id), seq, "stream_missing"))
        if len(found) < seq or found[seq - 1] != hashed:
            raise _Found(_broken(kind, UUID(stream_id), seq, "anchor_differs"))


def _broken(kind: str, stream_id: UUID, seq: int, reason: str, position: int = 0) -> Broken:
    return Broken(stream_kind=kind, stream_id=stream_id, seq=seq, position=position, reason=reason)


def write_anchors(parts: Parts, payload: dict[str, Any]) -> None:
    """One anchor per organisation that has a journal; a task of the outbox, every ten minutes."""
    at = clock.now()
    with parts.store.read(at) as reader:
        query = sa.select(journal_heads.c.organisation_id).distinct()
        organisations = sorted(reader.connection.execute(query).scalars())
    for organisation in organisations:
        parts.store.run(at, partial(write_anchor, organisation_id=organisation))


def write_anchor(tx: Transaction, organisation_id: UUID) -> str | None:
    """Chain the heads that moved since the organisation's last anchor; answers the anchor's hash.

    None when nothing moved but the last anchor's own event. The hash is also logged (`journal.anchored`):
    a copy outside the database.
    """
    with translated():
        chain.lock(tx.connection)
        before = _last(tx, organisation_id)
        moved = _moved(tx, organisation_id, before["position"] if before else 0)
        if not moved:
            return None
        row = _anchor(organisation_id, tx.at, before, moved)
        event = AnchorWritten(heads=len(moved), digest=row["hash"])
        told = Pending(event=event, stream_id=organisation_id, organisation_id=organisation_id, actor_id=None)
        chain.append(tx.connection, [told], tx.at, None)
        # From here on: the anchor's own event is no movement that would call for another anchor.
        row["position"] = chain.last_position(tx.connection)
        tx.connection.execute(sa.insert(anchors), row)
    log.info("journal.anchored", extra={"organisation": organisation_id, "n": row["n"], "hash": row["hash"]})
    return str(row["hash"])


def _last(tx: Transaction, organisation_id: UUID) -> Any:
    query = sa.select(anchors).where(anchors.c.organisation_id == organisation_id)
    return tx.connection.execute(query.order_by(anchors.c.n.desc()).limit(1)).mappings().one_or_none()


def _moved(tx: Transaction, organisation_id: UUID, after: int) -> list[list[Any]]:
    heads = journal_heads
    query = (
        sa.select(heads)
        .where(heads.c.organisation_id == organisation_id, heads.c.position > after)
        .order_by(heads.c.stream_kind, heads.c.stream_id)
    )
    rows = tx.connection.execute(query).mappings()
    return [[row["stream_kind"], str(row["stream_id"]), row["seq"], row["hash"]] for row in rows]


def _anchor(organisation_id: UUID, at: datetime, before: Any, moved: list[list[Any]]) -> dict[str, Any]:
    heads = msgspec.json.encode(moved).decode()
    row: dict[str, Any] = {
        "organisation_id": organisation_id,
        "n": before["n"] + 1 if before else 1,
        "at": at,
        "heads": heads,
        "digest": hashlib.sha256(heads.encode()).hexdigest(),
        "prev_hash": before["hash"] if before else GENESIS,
    }
    return row | {"hash": _anchor_hash(row)}


def _anchor_hash(row: Any) -> str:
    at = row["at"].isoformat(timespec="microseconds")
    body = [row["prev_hash"], str(row["organisation_id"]), row["n"], at, row["digest"]]
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()
