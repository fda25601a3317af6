"""The chain holds, every attack on it shows, and a reader of the tail misses nothing."""

import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from consilium.errors import Conflict
from consilium.events import ChatSent, DocumentShown, LayoutSet, RequestAccepted, SignedIn
from consilium.store import Store
from consilium.store.tables import anchors, journal, journal_heads
from consilium.store.verify import verify, write_anchor
from tests.consilium.store.conftest import AT, World

NOBODY: Any = SimpleNamespace(person_id=None)


def speak(world: World, times: int = 1, stream: UUID | None = None) -> None:
    """Some events of the consilium, one transaction each."""
    for n in range(times):
        with world.store.write(AT + timedelta(seconds=n)) as tx:
            event = ChatSent(message=uuid4(), seat=world.seats[0])
            tx.record(event, stream or world.consilium, world.organisation, NOBODY)


def verdict(store: Store, witness: Any = None) -> Any:
    with store.read() as reader:
        return verify(reader, witness)


def anchored(world: World) -> str | None:
    with world.store.write(AT) as tx:
        return write_anchor(tx, world.organisation)


def test_events_are_numbered_per_stream_and_read_back(world: World) -> None:
    actor: Any = SimpleNamespace(person_id=world.people[0])
    first = LayoutSet(layout="record")
    second = DocumentShown(document=uuid4(), page=3, presenter=world.seats[0])
    with world.store.write(AT) as tx:
        tx.command_reply(UUID(int=7), world.people[0])
        tx.record(first, world.consilium, world.organisation, actor)
        tx.record(RequestAccepted(), world.case, world.organisation, actor)
        tx.record(second, world.consilium, world.organisation, actor)
        committed = tx.commit()
    assert committed == (
        ("consilium", world.consilium, 1, first),
        ("case", world.case, 1, RequestAccepted()),
        ("consilium", world.consilium, 2, second),
    )
    with world.store.read() as reader:
        found = reader.events("consilium", world.consilium)
        assert [(one.seq, one.event, one.actor_id, one.at) for one in found] == [
            (1, first, world.people[0], AT),
            (2, second, world.people[0], AT),
        ]
        assert found[0].command_id == UUID(int=7)
        assert reader.events("consilium", world.consilium, after_seq=1)[0].event == second
        assert (reader.head("consilium", world.consilium), reader.head("case", uuid4())) == (2, 0)


def test_an_event_of_a_refused_command_is_not_journaled(world: World) -> None:
    def refused() -> None:
        with world.store.write(AT) as tx:
            tx.record(LayoutSet(layout="record"), world.consilium, world.organisation, NOBODY)
            tx.consilium(world.consilium).seats[2].role = "chair"

    with pytest.raises(Conflict):
        refused()
    assert world.store.journal_after(0) == []


def test_time_never_runs_backwards_inside_a_stream(world: World) -> None:
    for at in (AT, AT - timedelta(seconds=5)):
        with world.store.write(at) as tx:
            tx.record(LayoutSet(layout="record"), world.consilium, world.organisation, NOBODY)
    with world.store.read() as reader:
        assert [one.at for one in reader.events("consilium", world.consilium)] == [AT, AT]


def test_an_untouched_journal_is_whole(world: World) -> None:
    speak(world, 5)
    assert anchored(world) is not None
    speak(world, 2)
    assert anchored(world) is not None
    found = verdict(world.store)
    assert found.whole
    assert (found.rows, found.streams, found.anchors) == (9, 2, 2)


def test_a_quiet_organisation_needs_no_new_anchor(world: World) -> None:
    speak(world)
    assert anchored(world) is not None
    assert anchored(world) is None


def test_a_shredded_payload_leaves_the_chain_whole(world: World) -> None:
    speak(world, 3)
    _attack(world.store, sa.update(journal).where(journal.c.seq == 2).values(payload=None))
    assert verdict(world.store).whole
    with world.store.read() as reader:
        assert [one.event is None for one in reader.events("consilium", world.consilium)] == [
            False,
            True,
            False,
        ]


def _attack(store: Store, *statements: Any) -> None:
    """With the rights of whoever owns the database."""
    with store.write(AT) as tx:
        _drop_guard(tx.connection)
        for one in statements:
            tx.connection.execute(one)


def _drop_guard(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        for table in ("journal", "anchors"):
            connection.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        return
    names = (
        connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    )
    for name in names:
        connection.execute(sa.text(f"DROP TRIGGER {name}"))


def _row(seq: int) -> sa.ColumnElement[bool]:
    return (journal.c.stream_kind == "consilium") & (journal.c.seq == seq)


def _delete(world: World) -> list[Any]:
    return [sa.delete(journal).where(_row(3))]


def _edit_payload(world: World) -> list[Any]:
    return [sa.update(journal).where(_row(3)).values(payload='{"message":"x","seat":"y"}')]


def _edit_actor(world: World) -> list[Any]:
    return [sa.update(journal).where(_row(3)).values(actor_id=uuid4())]


def _edit_time(world: World) -> list[Any]:
    return [sa.update(journal).where(_row(3)).values(at=AT + timedelta(days=1))]


def _swap(world: World) -> list[Any]:
    return [
        sa.update(journal).where(_row(3)).values(seq=99),
        sa.update(journal).where(_row(4)).values(seq=3),
        sa.update(journal).where(_row(99)).values(seq=4),
    ]


def _insert(world: World) -> list[Any]:
    copied = [one for one in journal.c if one.name not in ("position", "seq")]
    rows = sa.select(sa.literal(6), *copied).where(_row(5))
    return [sa.insert(journal).from_select(["seq", *(one.name for one in copied)], rows)]


def _cut_tail(world: World) -> list[Any]:
    return [sa.delete(journal).where(_row(5))]


def _cut_tail_and_head(world: World) -> list[Any]:
    hashed = sa.select(journal.c.hash).where(_row(4)).scalar_subquery()
    head = sa.update(journal_heads).where(journal_heads.c.stream_kind == "consilium")
    return [head.values(seq=4, hash=hashed), sa.delete(journal).where(_row(5))]


def _drop_stream(world: World) -> list[Any]:
    return [sa.delete(journal).where(journal.c.stream_kind == "consilium")]


def _drop_stream_and_head(world: World) -> list[Any]:
    return [
        sa.delete(journal).where(journal.c.stream_kind == "consilium"),
        sa.delete(journal_heads).where(journal_heads.c.stream_kind == "consilium"),
    ]


def _drop_anchor(world: World) -> list[Any]:
    return [sa.delete(anchors)]


def _edit_anchor(world: World) -> list[Any]:
    return [sa.update(anchors).values(heads="[]")]


@pytest.mark.parametrize(
    "attack,reason",
    [
        (_delete, "number_missing"),
        (_edit_payload, "payload_changed"),
        (_edit_actor, "hash_wrong"),
        (_edit_time, "hash_wrong"),
        (_swap, "chain_broken"),
        (_insert, "chain_broken"),
        (_cut_tail, "head_differs"),
        (_cut_tail_and_head, "anchor_differs"),
        (_drop_stream, "stream_missing"),
        (_drop_stream_and_head, "stream_missing"),
        (_drop_anchor, "anchor_missing"),
        (_edit_anchor, "anchor_changed"),
    ],
)
def test_every_attack_shows(world: World, attack: Callable[[World], list[Any]], reason: str) -> None:
    speak(world, 5)
    anchored(world)
    assert verdict(world.store).whole
    _attack(world.store, *attack(world))
    found = verdict(world.store)
    assert found.broken is not None
    assert found.broken.reason == reason


def test_a_rebuilt_journal_shows_against_a_witness(world: World) -> None:
    """Everything inside is consistent again; only a hash kept elsewhere can tell."""
    speak(world, 3)
    hashed = anchored(world)
    assert hashed is not None
    witness = {world.organisation: {1: hashed}}
    assert verdict(world.store, witness).whole
    _attack(world.store, sa.delete(anchors), sa.delete(journal), sa.delete(journal_heads))
    speak(world, 3)
    anchored(world)
    assert verdict(world.store).whole
    assert verdict(world.store, witness).broken.reason == "witness_differs"


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(journal).values(name="VoteCast"),
        sa.update(journal).values(payload="{}"),
        sa.delete(journal),
        sa.update(anchors).values(n=7),
        sa.delete(anchors),
    ],
    ids=["rename", "rewrite", "delete", "renumber an anchor", "delete an anchor"],
)
def test_the_journal_only_grows(world: World, statement: Any) -> None:
    speak(world)
    anchored(world)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), world.store.write(AT) as tx:
        tx.connection.execute(statement)


def test_a_reader_of_the_tail_misses_no_event(world: World) -> None:
    """Six writers on streams of their own, a reader that tails on every hint: order and number agree."""
    writers, each = 6, 40
    start = threading.Barrier(writers + 1)
    finished, fresh = threading.Event(), threading.Event()
    seen: list[tuple[UUID, int]] = []

    def write(stream: UUID) -> None:
        start.wait()
        for _ in range(each):
            speak(world, 1, stream)
            fresh.set()

    def tail() -> None:
        position = 0
        while True:
            fresh.wait(0.25)
            fresh.clear()
            last = finished.is_set()
            for entry in world.store.journal_after(position, limit=7):
                assert entry.position > position
                position = entry.position
                seen.append((entry.stream_id, entry.seq))
            if not last and world.store.last_position() > position:
                fresh.set()
            if last and not world.store.journal_after(position):
                return

    streams = [uuid4() for _ in range(writers)]
    threads = [threading.Thread(target=write, args=(one,)) for one in streams]
    reader = threading.Thread(target=tail)
    for thread in (*threads, reader):
        thread.start()
    start.wait()
    for thread in threads:
        thread.join()
    finished.set()
    fresh.set()
    reader.join()
    assert sorted(seen) == sorted((stream, seq) for stream in streams for seq in range(1, each + 1))


def test_writers_of_one_shared_stream_are_numbered_without_a_gap(world: World) -> None:
    """The directory's stream has no aggregate to lock: sign-ins of one organisation come at once."""
    start = threading.Barrier(4)

    def sign_in() -> None:
        start.wait()
        for _ in range(25):
            with world.store.write(AT) as tx:
                tx.record(SignedIn(person=world.people[0]), world.organisation, world.organisation, NOBODY)

    threads = [threading.Thread(target=sign_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.store.read() as reader:
        assert reader.head("directory", world.organisation) == 100
    assert verdict(world.store).whole
