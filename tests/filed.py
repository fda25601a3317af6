"""Many sealed protocols from one: the same consilium's, each with a case, an id and signatures of its own.

Made below the domain, row by row: what is tested with them begins at the queue of the filing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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


def copies(world: World, protocol: Protocol, count: int) -> list[UUID]:
    """`count` more of this sealed protocol, queued for filing."""
    made: list[UUID] = []
    for first in range(0, count, AT_ONCE):
        batch = [_copy(world, protocol, n) for n in range(first, min(count, first + AT_ONCE))]
        with world.parts.store.write(world.now) as tx:
            for table in (tables.cases, tables.agenda_items, tables.protocols, tables.signatures):
                rows = [row for one in batch for name, row in one if name == table.name]
                tx.connection.execute(sa.insert(table), rows)
            for one in batch:
                row = next(row for name, row in one if name == "protocols")
                payload = {"protocol": str(row["id"])}
                outbox.enqueue(tx.connection, "protocol.file", f"{row['id']}:1", payload, world.now)
                made.append(row["id"])
            tx.commit()
    return made


def _copy(world: World, protocol: Protocol, n: int) -> list[tuple[str, dict[str, Any]]]:
    document_id, case_id, item_id, own = uuid4(), uuid4(), uuid4(), uuid4()
    assert protocol.document_id is not None
    document = protocol.document.replace(str(protocol.document_id).encode(), str(document_id).encode())
    assert document != protocol.document
    signed = list(_signatures(world, protocol, document, own))
    seal, certificate = _seal(world, protocol)
    return [
        ("cases", _row(world, tables.cases, protocol.case_id, id=case_id, number=f"К-{n:06}")),
        (
            "agenda_items",
            _row(world, tables.agenda_items, protocol.item_id, id=item_id, case_id=case_id, protocol_id=own, place=n + 2),
        ),
        (
            "protocols",
            _row(
                world, tables.protocols, protocol.id,
                id=own, set_id=uuid4(), number=f"П-{n:06}", item_id=item_id, case_id=case_id,
                document_id=document_id, document=document, digest=hashlib.sha256(document).hexdigest(),
                seal_cms=seal.sign(document, certificate, world.now.replace(microsecond=0)),
                filing="queued", filing_state=msgspec.json.encode(states.queued(world.now)).decode(),
            ),
        ),
        *(("signatures", row) for row in signed),
    ]  # fmt: skip


def _row(world: World, table: sa.Table, key: UUID, **changes: Any) -> dict[str, Any]:
    with world.parts.store.read() as reader:
        found = reader.connection.execute(sa.select(table).where(table.c.id == key)).mappings().one()
    return {**found, **changes}


def _signatures(world: World, protocol: Protocol, document: bytes, own: UUID) -> Iterator[dict[str, Any]]:
    logins = {world.id(account.login): account.login for account in demo.ACCOUNTS}
    for one in protocol.current_signatures():
        key, certificate = world.key(logins[one.person_id])
        cms = key.sign(document, certificate, world.now.replace(microsecond=0))
        yield _row(world, tables.signatures, one.id, id=uuid4(), protocol_id=own, cms=cms)


def _seal(world: World, protocol: Protocol) -> tuple[SoftwareKey, bytes]:
    folder = world.parts.settings.keys_dir / str(protocol.organisation_id)
    return SoftwareKey.load(folder / "seal.key"), (folder / "seal.crt").read_bytes()


def keys(protocols: list[Protocol]) -> set[str]:
    """Under which keys these are filed."""
    return {idempotency_key(one.document_id, one.version) for one in protocols if one.document_id}
