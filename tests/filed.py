"""Many sealed protocols from one: the same consilium's, each with a case, an id and signatures of its own.

Made below the domain, row by row: what is tested with them begins at the queue of the filing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa

from consilium import demo
from consilium.filing import states
from consilium.filing.port import idempotency_key
from consilium.model import Protocol
from consilium.seal.providers import SoftwareKey
from consilium.store import outbox, tables
from tests.people import World

AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Mould:
    """What every copy is cast from, read once: the rows of one sealed protocol and the keys of those who signed it."""

    protocol: Protocol
    rows: dict[str, dict[str, Any]]
    signatures: tuple[tuple[dict[str, Any], SoftwareKey, bytes], ...]
    seal: tuple[SoftwareKey, bytes]


def copies(world: World, protocol: Protocol, count: int) -> list[UUID]:
    """`count` more of this sealed protocol, queued for filing."""
    mould, made = _mould(world, protocol), list[UUID]()
    for first in range(0, count, AT_ONCE):
        batch = [_copy(world, mould, n) for n in range(first, min(count, first + AT_ONCE))]
        with world.parts.store.write(world.now) as tx:
            for table in (tables.cases, tables.agenda_items, tables.protocols, tables.signatures):
                tx.connection.execute(sa.insert(table), [row for one in batch for row in one[table.name]])
            for row in (one["protocols"][0] for one in batch):
                payload = {"protocol": str(row["id"])}
                outbox.enqueue(tx.connection, "protocol.file", f"{row['id']}:1", payload, world.now)
                made.append(row["id"])
            tx.commit()
    return made


def _mould(world: World, protocol: Protocol) -> Mould:
    logins = {world.id(account.login): account.login for account in demo.ACCOUNTS}
    folder = world.parts.settings.keys_dir / str(protocol.organisation_id)
    return Mould(
        protocol=protocol,
        rows={
            "cases": _row(world, tables.cases, protocol.case_id),
            "agenda_items": _row(world, tables.agenda_items, protocol.item_id),
            "protocols": _row(world, tables.protocols, protocol.id),
        },
        signatures=tuple(
            (_row(world, tables.signatures, one.id), *world.key(logins[one.person_id]))
            for one in protocol.current_signatures()
        ),
        seal=(SoftwareKey.load(folder / "seal.key"), (folder / "seal.crt").read_bytes()),
    )


def _row(world: World, table: sa.Table, key: UUID | None) -> dict[str, Any]:
    with world.parts.store.read() as reader:
        return dict(reader.connection.execute(sa.select(table).where(table.c.id == key)).mappings().one())


def _copy(world: World, mould: Mould, n: int) -> dict[str, list[dict[str, Any]]]:
    """Rows by table."""
    document_id, case_id, item_id, own = uuid4(), uuid4(), uuid4(), uuid4()
    protocol, moment = mould.protocol, world.now.replace(microsecond=0)
    assert protocol.document_id is not None
    document = protocol.document.replace(str(protocol.document_id).encode(), str(document_id).encode())
    assert document != protocol.document
    seal, certificate = mould.seal
    changes = {
        "cases": {"id": case_id, "number": f"К-{n:06}"},
        "agenda_items": {"id": item_id, "case_id": case_id, "protocol_id": own, "place": n + 2},
        "protocols": {
            "id": own, "set_id": uuid4(), "number": f"П-{n:06}", "item_id": item_id, "case_id": case_id,
            "document_id": document_id, "document": document, "digest": hashlib.sha256(document).hexdigest(),
            "seal_cms": seal.sign(document, certificate, moment),
            "filing": "queued", "filing_state": msgspec.json.encode(states.queued(world.now)).decode(),
        },
    }  # fmt: skip
    rows = {name: [mould.rows[name] | changed] for name, changed in changes.items()}
    rows["signatures"] = [
        row | {"id": uuid4(), "protocol_id": own, "cms": key.sign(document, signer, moment)}
        for row, key, signer in mould.signatures
    ]
    return rows


def keys(protocols: list[Protocol]) -> set[str]:
    """Under which keys these are filed."""
    return {idempotency_key(one.document_id, one.version) for one in protocols if one.document_id}
