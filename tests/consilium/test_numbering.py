"""Numbers of papers: continuous per body and year, whatever is refused and whoever comes at once. Both databases."""

import threading
from datetime import UTC, datetime

import sqlalchemy as sa

from consilium import commands as c
from consilium import demo, migrations
from consilium.errors import Conflict
from consilium.model import Paper, Protocol
from consilium.rules import numbering
from tests.people import World

ALL = ("deputy", "secretary", "member1", "ivanova")
COMMISSION = ("deputy", "secretary", "member1", "member2")


def numbers(world: World, series: str) -> list[int]:
    """What the series has given out, in order."""
    with world.parts.store.read() as reader:
        found = [one for one in reader.all(Protocol) if one.series == series]
    return sorted(int(one.number.partition("-")[2]) for one in found)


def series(world: World, body: bool = False) -> str:
    keeper = world.body() if body else demo.ORGANISATIONS["nmic"].id
    return f"protocol:{keeper}:{world.now.year}"


def test_the_year_of_a_number_is_that_of_the_day_on_the_paper(shared: World):
    """The journal of a year (180н) is read by its days: in Moscow three hours of 31 December are another year's."""
    consilium = shared.planned()
    for moment, year in (
        (datetime(2026, 12, 31, 20, 59, 59, tzinfo=UTC), 2026),
        (datetime(2026, 12, 31, 21, 0, tzinfo=UTC), 2027),
        (datetime(2027, 1, 1, 0, 0, tzinfo=UTC), 2027),
    ):
        assert numbering.series(Paper.PROTOCOL, consilium, moment).endswith(f":{year}")
        assert numbering.number(moment, 1) == f"{year}-00001"


def test_a_refused_decision_takes_no_number(world: World):
    consilium = world.opened(*ALL)
    item = consilium.agenda[0].id
    early = c.CloseItem(consilium=consilium.id, item=item, outcome="decided")
    assert world.refusal("deputy", early).code == "not_your_role"
    assert world.refusal("chair", early).code
    world.vote(consilium, "chair")
    world.do("chair", early)
    world.decided(*ALL)
    assert numbers(world, series(world)) == [1, 2]


def test_a_commission_counts_for_itself(world: World):
    first = world.decided(*ALL)
    commission = world.decided(*COMMISSION, kind="commission")
    assert (first.number, commission.number) == (f"{world.now.year}-00001", f"{world.now.year}-00001")
    assert (first.series, commission.series) == (series(world), series(world, body=True))
    assert world.decided(*ALL).number == f"{world.now.year}-00002"


def test_papers_of_two_sorts_do_not_share_a_series(shared: World):
    consilium = shared.planned()
    found = {numbering.series(paper, consilium, shared.now) for paper in Paper}
    assert len(found) == len(Paper)


def test_decisions_at_once_get_neighbouring_numbers(world: World):
    waiting = []
    for _ in range(4):
        consilium = world.opened(*ALL)
        world.vote(consilium, "chair")
        waiting.append(c.CloseItem(consilium=consilium.id, item=consilium.agenda[0].id, outcome="decided"))
    line = threading.Barrier(len(waiting))

    def close(command: c.CloseItem) -> None:
        line.wait()
        world.do("chair", command)

    threads = [threading.Thread(target=close, args=(one,)) for one in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(world, series(world)) == [1, 2, 3, 4]


def test_a_number_whose_transaction_fails_is_given_to_the_next(world: World):
    try:
        with world.parts.store.write(world.now) as tx:
            assert tx.next_number("protocol:x:2026") == 1
            raise Conflict("wrong_step")
    except Conflict:
        pass
    with world.parts.store.write(world.now) as tx:
        assert tx.next_number("protocol:x:2026") == 1


# Table -> its rows of a protocol; what a newer revision added begins empty.
SHAPES = {
    "protocols": lambda one: [one],
    "signatures": lambda one: one.signatures,
    "dissent_papers": lambda one: one.dissents,
}


def test_an_older_database_keeps_its_protocols_and_goes_on_counting(world: World):
    """Back to the shape that was given out, with signed protocols in it, and forth again."""
    before = world.signed(*ALL, dissent_by="member1")
    engine = world.parts.store.engine
    migrations.downgrade(engine, "0002")
    assert migrations.current(engine) == "0002"
    known = {table: {one["name"] for one in sa.inspect(engine).get_columns(table)} for table in SHAPES}
    migrations.upgrade(engine)
    after = world.protocol(before.id)
    assert len(after.signatures) == 5
    for table, rows_of in SHAPES.items():
        kept = [
            [{name: getattr(row, name, None) for name in known[table]} for row in rows_of(one)]
            for one in (before, after)
        ]
        assert kept[0] == kept[1], table
    assert world.decided(*ALL).number == f"{world.now.year}-00002"
