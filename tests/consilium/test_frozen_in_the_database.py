"""Frozen bytes, signatures and seals are kept by the database itself, and what was changed past it is found."""

import hashlib
from typing import Any

import pytest
import sqlalchemy as sa

from consilium import migrations, sealing
from consilium.model import Protocol, ProtocolStatus
from consilium.store import verify
from consilium.store.tables import dissent_papers, protocols, signatures
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")


def attempt(world: World, statement: Any) -> bool:
    """Whether the database took it."""
    try:
        with world.parts.store.write(world.now) as tx:
            tx.connection.execute(statement)
            tx.commit()
    except sa.exc.DBAPIError as refused:
        return "stays as it is" not in str(refused)
    return True


def sealed(world: World) -> Protocol:
    protocol = world.signed(*ALL, dissent_by="member1")
    assert sealing.seal_protocol(world.parts, {"protocol": str(protocol.id)}) is None
    return world.protocol(protocol.id)


def test_what_is_sealed_is_changed_by_no_statement(world: World):
    protocol = sealed(world)
    assert protocol.status is ProtocolStatus.SEALED
    own = protocols.c.id == protocol.id
    changes: list[dict[str, Any]] = [
        {"document": protocol.document + b" "},
        {"digest": "00" * 32},
        {"number": "2026-99999"},
        {"version": 7},
        {"status": "drafting"},
        {"status": "drafting", "document": b""},
        {"seal_cms": b"another"},
        {"sealed_at": None},
    ]
    for change in changes:
        assert not attempt(world, sa.update(protocols).where(own).values(change)), change
    assert not attempt(world, sa.delete(protocols).where(own))
    for table in (signatures, dissent_papers):
        rows = table.c.protocol_id == protocol.id
        for change in ({"cms": b"another"}, {"status": "released"}, {"signed_at": None}):
            assert not attempt(world, sa.update(table).where(rows).values(change)), (table.name, change)
        assert not attempt(world, sa.delete(table).where(rows))
    assert world.protocol(protocol.id) == protocol


def test_what_is_frozen_is_changed_by_no_statement_while_it_is_signed(world: World):
    protocol = world.frozen(*ALL)
    own = protocols.c.id == protocol.id
    for change in ({"document": b"<x/>"}, {"digest": "00" * 32}, {"document": b"<x/>", "status": "sealing"}):
        assert not attempt(world, sa.update(protocols).where(own).values(change)), change
    assert not attempt(world, sa.delete(protocols).where(own))
    # What a paper lives on is not held: reminders, waits, the registry's word.
    assert attempt(world, sa.update(protocols).where(own).values(waits_for="check"))


def test_an_older_shape_lets_go_and_the_newest_holds_again(world: World):
    protocol = world.signed(*ALL)
    engine = world.parts.store.engine
    migrations.downgrade(engine, "0002")
    migrations.upgrade(engine)
    own = protocols.c.id == protocol.id
    assert not attempt(world, sa.update(protocols).where(own).values(document=b"<x/>"))


@pytest.mark.parametrize("change", ["bytes", "bytes and digest"])
def test_bytes_changed_past_the_guard_are_found_with_the_journal(world: World, change: str):
    """With the rights of whoever owns the database; the journal said what was frozen."""
    protocol = sealed(world)
    other = protocol.document.replace(b"<title>", b"<title> ", 1)
    assert other != protocol.document
    values: dict[str, Any] = {"document": other}
    if change != "bytes":
        values["digest"] = hashlib.sha256(other).hexdigest()
    with world.parts.store.read() as reader:
        assert verify.verify(reader).whole
    with world.parts.store.write(world.now) as tx:
        if tx.connection.dialect.name == "postgresql":
            tx.connection.execute(sa.text("ALTER TABLE protocols DISABLE TRIGGER USER"))
        else:
            tx.connection.execute(sa.text("DROP TRIGGER protocols_no_update"))
        tx.connection.execute(sa.update(protocols).where(protocols.c.id == protocol.id).values(values))
        tx.commit()
    with world.parts.store.read() as reader:
        broken = verify.verify(reader).broken
    assert broken is not None
    assert (broken.stream_kind, broken.stream_id, broken.reason) == (
        "protocol",
        protocol.id,
        "document_differs",
    )
