"""Planning by the receiver's coordinator: look people up, let `rules.schedule` decide, journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from consilium import commands as c
from consilium.errors import Invalid
from consilium.events import Event
from consilium.handlers.asker import Table, person_of, tidied
from consilium.handlers.requests import record as record_case
from consilium.model import Case, Consilium, Organisation, Person
from consilium.rules import schedule
from consilium.rules.schedule import Plan, Sitting

if TYPE_CHECKING:
    from consilium.context import Context


def schedule_consilium(context: Context, command: c.ScheduleConsilium) -> dict[str, Any]:
    """Cases are locked in the order of their ids; the number is taken last."""
    coordinator = person_of(context)
    cases = {case_id: context.tx.case(case_id) for case_id in sorted(set(command.cases))}
    ordered = [cases[case_id] for case_id in command.cases]
    plan = Plan(
        kind=command.kind,
        organisation_id=context.tx.organisation(command.organisation).id,
        scheduled_at=command.scheduled_at,
        duration_minutes=command.duration_minutes,
        cases=ordered,
        sittings=_sittings(context, command.seats, ordered),
        body=context.tx.body(command.body) if command.body else None,
    )
    schedule.require_plannable(plan, coordinator, context.at)
    sittings = _completed(context, plan)
    schedule.check_composition(plan, sittings)
    number = _number(context)
    consilium, happened, told = schedule.schedule(plan, sittings, coordinator, number, context.at)
    context.tx.add(consilium)
    record(context, consilium, happened)
    _tell(context, cases, told)
    return {"consilium": str(consilium.id), "number": consilium.number, "seats": len(consilium.seats)}


def _number(context: Context) -> str:
    year = context.at.year
    return f"КС-{year}-{context.tx.next_number(f'consilium:{year}'):06}"


def reschedule(context: Context, command: c.RescheduleConsilium) -> dict[str, Any]:
    """The composition must hold on the new day too: members of a body have terms (AD-01)."""
    cases = _locked_cases(context, command.consilium)
    consilium = _organised(context, command.consilium)
    schedule.require_revision(consilium, command.revision)
    before = consilium.scheduled_at
    happened, told = schedule.reschedule(
        consilium, list(cases.values()), command.scheduled_at, command.duration_minutes, context.at
    )
    if before.date() != consilium.scheduled_at.date():
        plan = _plan_of(context, consilium, list(cases.values()), [])
        schedule.check_composition(plan, _seated(context, consilium))
    record(context, consilium, happened)
    _tell(context, cases, told)
    return {"revision": consilium.revision}


def change_seats(context: Context, command: c.ChangeSeats) -> dict[str, Any]:
    cases = _locked_cases(context, command.consilium)
    consilium = _organised(context, command.consilium)
    schedule.require_revision(consilium, command.revision)
    ordered = [cases[item.case_id] for item in consilium.agenda]
    plan = _plan_of(context, consilium, ordered, command.seats)
    happened = schedule.change_seats(consilium, plan, _completed(context, plan))
    record(context, consilium, happened)
    return {"revision": consilium.revision, "seats": len(consilium.seats)}


def cancel(context: Context, command: c.CancelConsilium) -> dict[str, Any]:
    cases = _locked_cases(context, command.consilium)
    consilium = _organised(context, command.consilium)
    happened, told = schedule.cancel(consilium, list(cases.values()), tidied(command.reason, "reason"))
    record(context, consilium, happened)
    _tell(context, cases, told)
    return {"revision": consilium.revision}


def _organised(context: Context, consilium_id: UUID) -> Consilium:
    coordinator = person_of(context)
    consilium = context.tx.consilium(consilium_id)
    schedule.require_organiser(consilium, coordinator)
    return consilium


def _locked_cases(context: Context, consilium_id: UUID) -> dict[UUID, Case]:
    """Cases are locked before their consilium, in the order of their ids."""
    agenda = context.tx.peek(Consilium, consilium_id).agenda
    return {case_id: context.tx.case(case_id) for case_id in sorted({item.case_id for item in agenda})}


def _plan_of(
    context: Context, consilium: Consilium, cases: Sequence[Case], seats: Sequence[c.SeatPlan]
) -> Plan:
    return Plan(
        kind=consilium.kind,
        organisation_id=consilium.organisation_id,
        scheduled_at=consilium.scheduled_at,
        duration_minutes=consilium.duration_minutes,
        cases=cases,
        sittings=_sittings(context, seats, cases),
        body=context.tx.body(consilium.body_id) if consilium.body_id else None,
    )


def _sittings(context: Context, seats: Sequence[c.SeatPlan], cases: Sequence[Case]) -> list[Sitting]:
    if any(not 0 <= item < len(cases) for one in seats for item in one.items):
        raise Invalid("invalid_field", field="seats.items")
    found: list[Sitting] = []
    for one in seats:
        person, organisation = _with_organisation(context, one.person)
        case_ids = tuple(cases[item].id for item in one.items)
        found.append(Sitting(person=person, organisation=organisation, role=one.role, case_ids=case_ids))
    return found


def _seated(context: Context, consilium: Consilium) -> list[Sitting]:
    pairs = [(seat, *_with_organisation(context, seat.person_id)) for seat in consilium.seats]
    return [
        Sitting(person=person, organisation=organisation, role=seat.role)
        for seat, person, organisation in pairs
    ]


def _completed(context: Context, plan: Plan) -> list[Sitting]:
    lookup = {one: _with_organisation(context, one) for one in schedule.to_look_up(plan)}
    return schedule.completed(plan, lookup)


def _with_organisation(context: Context, person_id: UUID) -> tuple[Person, Organisation]:
    person = context.tx.person(person_id)
    return person, context.tx.organisation(person.organisation_id)


def record(context: Context, consilium: Consilium, happened: Sequence[Event]) -> None:
    """Journal on the consilium's stream, which belongs to the organisation that registers."""
    for event in happened:
        context.tx.record(event, consilium.id, consilium.organisation_id, context.actor)


def _tell(context: Context, cases: dict[UUID, Case], told: dict[UUID, list[Event]]) -> None:
    for case_id, happened in told.items():
        record_case(context, cases[case_id], happened)


HANDLERS: Table = {
    c.ScheduleConsilium: schedule_consilium,
    c.RescheduleConsilium: reschedule,
    c.ChangeSeats: change_seats,
    c.CancelConsilium: cancel,
}
