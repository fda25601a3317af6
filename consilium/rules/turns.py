"""Who signs when, until when, and when he is reminded (SG-03, SG-10).

The law says that the participants sign (323-ФЗ ст. 48 ч. 4), not in which order or by when: both are data of the
body's order or of the kind, and an order chosen at the freezing goes before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from consilium.errors import Conflict
from consilium.events import Event, SignerReminded, TurnsOpened
from consilium.model import Body, Consilium, Protocol, Signature, SignatureStatus
from consilium.rules import kinds
from consilium.rules.protocol import Row, leads, rows_of

Order = Literal["parallel", "sequential", "by_step"]
"""parallel: all at once. sequential: one after another, members, secretary, chair. by_step: members together,
then the secretary, then the chair."""

ORDERS: tuple[Order, ...] = get_args(Order)
ORDER_OF_KIND: dict[str, Order] = {
    "general": "parallel",
    "oncological": "parallel",
    "consultation": "parallel",
    "commission": "parallel",
}
DAYS_OF_KIND = {"general": 3, "oncological": 3, "consultation": 1, "commission": 3}
"""Working days a signer has from his turn on."""

ZONE = ZoneInfo("Europe/Moscow")
DAY_ENDS = time(18)
NOTICE_AT = time(9)
MOST_REMINDERS = 10
# ТК РФ ст. 112. Days the government moves within a year are not here: a deadline may then be a day early or late.
HOLIDAYS = frozenset({*((1, day) for day in range(1, 9)), (2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)})


# --- order ----------------------------------------------------------------------------------------


def order_of(consilium: Consilium, body: Body | None, wanted: str = "") -> str:
    """What was chosen at the freezing, else what the body's order says, else the kind's."""
    return wanted or (body.signing_order if body else ORDER_OF_KIND[consilium.kind])


def days_of(consilium: Consilium, body: Body | None) -> int:
    """Working days for each turn: the body's, else the kind's."""
    return (body.signing_days if body else 0) or DAYS_OF_KIND[consilium.kind]


def arrange(protocol: Protocol, consilium: Consilium, order: str, days: int) -> None:
    """Give every signer of the current version his step."""
    protocol.signing_order = order
    protocol.signing_days = days
    rows = sorted(protocol.current_signatures(), key=lambda one: (_rank(consilium, one), one.order))
    ranks = sorted({_rank(consilium, one) for one in rows})
    for place, row in enumerate(rows, 1):
        match order:
            case "sequential":
                row.step = place
            case "by_step":
                row.step = ranks.index(_rank(consilium, row)) + 1
            case _:
                row.step = 1


def _rank(consilium: Consilium, row: Signature) -> int:
    """Members, then the secretary, then who leads (the acting chair where the appointed one is away)."""
    seat = consilium.seat(row.seat_id)
    if kinds.presides(consilium.kind, row.role) or (seat is not None and leads(consilium, seat)):
        return 2
    return 1 if row.role == "secretary" else 0


def ahead_of(protocol: Protocol, row: Row) -> list[Signature]:
    """Who signs before this row and has not yet. A dissent is one's own: nobody is before it."""
    if not isinstance(row, Signature):
        return []
    return [
        one
        for one in protocol.current_signatures()
        if one.step < row.step and one.status is SignatureStatus.AWAITED
    ]


def require_turn(protocol: Protocol, row: Row) -> None:
    """Raises Conflict not_your_turn with the people who are waited for."""
    ahead = ahead_of(protocol, row)
    if ahead:
        raise Conflict("not_your_turn", waits_for=[str(one.person_id) for one in ahead])


def open_turns(protocol: Protocol, at: datetime) -> tuple[list[Row], list[Event]]:
    """Rows whose turn has just come get their deadline; the rows, and what to journal."""
    due = deadline(at, protocol.signing_days)
    fresh = [
        one
        for one in rows_of(protocol)
        if one.status is SignatureStatus.AWAITED and one.due_at is None and not ahead_of(protocol, one)
    ]
    for one in fresh:
        one.due_at = due
    people = list(dict.fromkeys(one.person_id for one in fresh))
    return fresh, [TurnsOpened(version=protocol.version, people=people, due_at=due)] if fresh else []


# --- deadlines ------------------------------------------------------------------------------------


def is_working(day: date) -> bool:
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS


def working_day(start: date, count: int) -> date:
    """The `count`-th working day after `start`."""
    day = start
    while count > 0:
        day += timedelta(days=1)
        count -= is_working(day)
    return day


def deadline(at: datetime, days: int) -> datetime:
    """The end of the `days`-th working day after `at`."""
    return _on(working_day(at.astimezone(ZONE).date(), days), DAY_ENDS)


def next_notice(due_at: datetime, reminders: int) -> datetime | None:
    """The morning of the last day, its end, then every working morning; None after the last one."""
    last = due_at.astimezone(ZONE).date()
    if reminders == 0:
        return _on(last, NOTICE_AT)
    if reminders == 1:
        return due_at
    return _on(working_day(last, reminders - 1), NOTICE_AT) if reminders < MOST_REMINDERS else None


def _on(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, ZONE).astimezone(ZoneInfo("UTC"))


def overdue(row: Row, at: datetime) -> bool:
    return row.status is SignatureStatus.AWAITED and row.due_at is not None and at >= row.due_at


def remind(protocol: Protocol, row: Row, number: int, at: datetime) -> list[Event]:
    """The notice with this number, once. Nothing where it was given, is early, or nobody waits any more."""
    if row not in rows_of(protocol) or row.status is not SignatureStatus.AWAITED or row.due_at is None:
        return []
    when = next_notice(row.due_at, row.reminders)
    if row.reminders != number or when is None or at < when:
        return []
    row.reminders += 1
    late = overdue(row, at)
    return [
        SignerReminded(person=row.person_id, version=protocol.version, number=row.reminders, overdue=late)
    ]


def waiting_for(protocol: Protocol) -> Sequence[Row]:
    """Rows that may be signed now."""
    return [
        one
        for one in rows_of(protocol)
        if one.status is SignatureStatus.AWAITED and not ahead_of(protocol, one)
    ]
