"""How the media of an organisation's meetings was (AN-04): for its administrator, figures without patients."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from consilium.model import Person
from consilium.queries.shown import moment
from consilium.store import Reader
from consilium.store.tables import consilia, media_summaries

PERIOD = timedelta(days=30)
GRADES = ("excellent", "good", "poor", "lost")


def media_page(reader: Reader, person: Person, at: datetime) -> dict[str, Any]:
    """{"sessions": newest first, "all": the same figures of all together} of the last PERIOD.

    A session: {"consilium", "number", "at", "people", "minutes", "grades": {grade: share of the time},
    "reconnects", "unheard", "loss", "rtt_ms"}: loss is the worst mean of anybody's audio (0 to 1), rtt_ms the
    worst median. What was not measured is None.
    """
    rows = reader.connection.execute(_query(person.organisation_id, at)).all()
    by_room: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        by_room[row.consilium_id].append(row)
    sessions = [
        {"consilium": str(room), "number": found[0].number, "at": moment(found[0].at), **_figures(found)}
        for room, found in by_room.items()
    ]
    return {"sessions": sessions, "all": _figures(list(rows))}


def _query(organisation: UUID, at: datetime) -> sa.Select[Any]:
    table = media_summaries.c
    return (
        sa.select(table.consilium_id, table.seat_id, table.at, table.data, consilia.c.number)
        .join(consilia, consilia.c.id == table.consilium_id)
        .where(consilia.c.organiser_id == organisation, table.at > at - PERIOD)
        .order_by(table.at.desc())
    )


def _figures(rows: list[Any]) -> dict[str, Any]:
    told = [row.data for row in rows]
    seconds = {grade: sum(_number(one.get("grades", {}), grade) for one in told) for grade in GRADES}
    whole = sum(seconds.values())
    return {
        "people": len({(row.consilium_id, row.seat_id) for row in rows}),
        "minutes": round(sum(_number(one, "seconds") for one in told) / 60),
        "grades": {grade: seconds[grade] / whole if whole else 0.0 for grade in GRADES},
        "reconnects": int(sum(_number(one, "reconnects") for one in told)),
        "unheard": int(sum(_number(one, "unheard") for one in told)),
        "loss": _worst(told, "audio_loss_in", "audio_loss_out"),
        "rtt_ms": _worst(told, "rtt_p50_ms"),
    }


def _worst(told: list[dict[str, Any]], *names: str) -> float | None:
    values = [one[name] for one in told for name in names if isinstance(one.get(name), (int, float))]
    return max(values, default=None)


def _number(one: dict[str, Any], name: str) -> float:
    value = one.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0
