"""The report on connections: from a person who leaves a room to the administrator's table."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from consilium import clock
from consilium.queries.quality import media_page
from consilium.store import summaries
from tests.web.conftest import Visit
from tests.web.stage import Stage

LEFT = {
    "seconds": 600.0,
    "grades": {"excellent": 300.0, "good": 150.0, "poor": 100.0, "lost": 50.0},
    "audio_loss_in": 0.01,
    "audio_loss_out": None,
    "rtt_p50_ms": 40.0,
    "reconnects": 1,
    "unheard": 2,
    "epoch": 1,
}


def told(stage: Stage, consilium: UUID, seat: UUID, days_ago: int = 0, **changes: object) -> None:
    at = clock.now() - timedelta(days=days_ago)
    with stage.service.parts.store.write(at) as tx:
        summaries.keep(tx.connection, consilium, seat, {**LEFT, **changes}, at)


async def test_the_administrator_sees_his_meetings_and_nobody_elses(stage: Stage, visit: Visit):
    consilium, seat = stage.planned(), uuid4()
    told(stage, consilium, seat)
    told(stage, consilium, uuid4(), audio_loss_in=0.2, rtt_p50_ms=None, reconnects=0, unheard=0)
    told(stage, consilium, seat, days_ago=40, seconds=1.0)
    told(stage, uuid4(), uuid4())
    admin = await visit("nmic.admin")
    answer = await (await admin.get("/quality?json")).json()
    (session,) = answer["sessions"]
    assert session["consilium"] == str(consilium)
    assert (session["people"], session["minutes"], session["reconnects"], session["unheard"]) == (2, 20, 1, 2)
    assert (session["loss"], session["rtt_ms"]) == (0.2, 40.0)
    assert session["grades"] == {"excellent": 0.5, "good": 0.25, "poor": 100 / 600, "lost": 50 / 600}
    assert answer["all"]["minutes"] == 20
    page = await admin.text("/quality")
    assert session["number"] in page
    assert "75 %" in page


async def test_without_meetings_the_page_says_so(visit: Visit):
    admin = await visit("nmic.admin")
    assert "не было" in await admin.text("/quality")
    stranger = await visit("chair")
    assert (await stranger.get("/quality")).status == 403


def test_the_same_words_from_two_servers_are_one_row(stage: Stage):
    consilium, seat = stage.planned(), uuid4()
    for _ in range(2):
        told(stage, consilium, seat)
    told(stage, consilium, seat, seconds=601.0)
    with stage.service.parts.store.read() as reader:
        person = reader.person_by_login("nmic.admin")
        found = media_page(reader, person, clock.now())
    assert (found["all"]["people"], found["all"]["minutes"]) == (1, 20)
