"""Planning a consilium: its composition by the rules of its kind, its cases, its time (RQ-05, AD-01, AD-02).

`Sitting` is what a coordinator asks for, with the people already looked up. A composition that breaks a
rule is refused whole: Invalid("composition_invalid", rule=…) names the first broken one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from consilium.errors import Conflict, Forbidden, Invalid, NotFound
from consilium.events import (
    CasePostponed,
    CaseScheduled,
    ConsiliumCancelled,
    ConsiliumRescheduled,
    ConsiliumScheduled,
    Event,
    SeatsChanged,
)
from consilium.model import (
    AgendaItem,
    Body,
    BodyMember,
    Case,
    CaseStatus,
    Consilium,
    ConsiliumStatus,
    Organisation,
    Person,
    Seat,
)
from consilium.rules import codes, kinds

# An emergency consilium may be entered a little after it began; nothing is planned into the past.
LATE_ENTRY = timedelta(minutes=15)
HORIZON = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """One person to be seated. `case_ids` are the cases he is invited to; none means all."""

    person: Person
    organisation: Organisation
    role: str
    case_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A consilium to be: everything its rules look at."""

    kind: str
    organisation_id: UUID
    scheduled_at: datetime
    duration_minutes: int
    cases: Sequence[Case]
    sittings: Sequence[Sitting]
    body: Body | None


def _broken(rule: str, **details: Any) -> Invalid:
    return Invalid("composition_invalid", rule=rule, **details)


# --- bodies by date (AD-01) -----------------------------------------------------------------------


def members_on(body: Body, day: date) -> list[BodyMember]:
    """Members whose term covers the day; substitutes stand beside those they deputise for."""
    return [one for one in body.members if one.since <= day and (one.until is None or day <= one.until)]


def check_body(body: Body) -> None:
    """180н: at least three members with chair, deputy and secretary; one chair, one secretary; no one twice."""
    members = [one for one in body.members if one.deputises_for is None]
    _require_dates(body)
    persons = Counter(one.person_id for one in body.members)
    if max(persons.values(), default=0) > 1:
        raise _broken("person_twice")
    known = {one.person_id for one in members}
    if any(one.deputises_for not in known for one in body.members if one.deputises_for):
        raise _broken("deputises_for_nobody")
    _check_roles("commission", Counter(one.role for one in members))
    _check_minimum("commission", [one.role for one in members])


def _require_dates(body: Body) -> None:
    if any(one.until is not None and one.until < one.since for one in body.members):
        raise _broken("term_ends_before_it_begins")


def completed(plan: Plan, lookup: dict[UUID, tuple[Person, Organisation]]) -> list[Sitting]:
    """The sittings with those whom rules add: members of the commission, the doctors who asked.

    `lookup` holds every person the rules may add. A member is added unless he or his substitute sits.
    """
    sittings = list(plan.sittings)
    seated = {one.person.id for one in sittings}
    for member in _absent_members(plan, seated):
        person, organisation = lookup[member.person_id]
        sittings.append(Sitting(person=person, organisation=organisation, role=member.role))
        seated.add(person.id)
    for case in plan.cases:
        if case.author_id not in seated:
            person, organisation = lookup[case.author_id]
            own = tuple(one.id for one in plan.cases if one.author_id == case.author_id)
            sittings.append(Sitting(person=person, organisation=organisation, role="attending", case_ids=own))
            seated.add(person.id)
    return sittings


def to_look_up(plan: Plan) -> set[UUID]:
    """Ids of the people `completed` may add."""
    members = members_on(plan.body, plan.scheduled_at.date()) if plan.body else []
    return {case.author_id for case in plan.cases} | {one.person_id for one in members}


def _absent_members(plan: Plan, seated: set[UUID]) -> list[BodyMember]:
    if plan.body is None or not kinds.KINDS[plan.kind].needs_body:
        return []
    members = members_on(plan.body, plan.scheduled_at.date())
    stood_in = {one.deputises_for for one in members if one.person_id in seated}
    return [
        one
        for one in members
        if one.deputises_for is None and one.person_id not in seated and one.person_id not in stood_in
    ]


# --- composition ----------------------------------------------------------------------------------


def check_composition(plan: Plan, sittings: Sequence[Sitting]) -> None:
    """The composition against its kind (AD-02), and against the body valid on the day (AD-01)."""
    rules = kinds.KINDS[plan.kind]
    twice = [one for one, count in Counter(one.person.id for one in sittings).items() if count > 1]
    if twice:
        raise Conflict("seat_taken", person=str(twice[0]))
    for one in sittings:
        if one.role not in rules.allowed_roles:
            raise _broken("role_not_allowed", role=one.role)
        if not one.person.active:
            raise _broken("person_inactive", person=str(one.person.id))
    roles = [one.role for one in sittings]
    _check_roles(plan.kind, Counter(roles))
    _check_minimum(plan.kind, roles)
    if plan.kind == "consultation" and len(plan.cases) != 1:
        raise _broken("one_case", have=len(plan.cases))
    if rules.needs_body:
        _check_body_members(plan, sittings)
    elif plan.body is not None:
        raise _broken("body_not_for_this_kind")


def _check_roles(kind: str, count: Counter[str]) -> None:
    for role in sorted(kinds.KINDS[kind].required_roles):
        if not count[role]:
            raise _broken("required_role", role=role)
    for role, number in sorted(count.items()):
        if number > 1 and kinds.single(kind, role):
            raise _broken("one_of_role", role=role)


def _check_minimum(kind: str, roles: Sequence[str]) -> None:
    need = kinds.KINDS[kind].minimum
    have = sum(kinds.counts_for_quorum(kind, role) for role in roles)
    if have < need:
        raise _broken("minimum", have=have, need=need)


def _check_body_members(plan: Plan, sittings: Sequence[Sitting]) -> None:
    if plan.body is None:
        raise _broken("body_required")
    members = {one.person_id: one for one in members_on(plan.body, plan.scheduled_at.date())}
    voting = [one for one in sittings if kinds.is_voting(plan.kind, one.role)]
    for one in voting:
        member = members.get(one.person.id)
        if member is None:
            raise _broken("not_a_member_on_this_date", person=str(one.person.id))
        if member.role != one.role:
            raise _broken("role_differs_from_body", person=str(one.person.id), role=member.role)
    seated = {one.person.id for one in voting}
    for one in voting:
        principal = members[one.person.id].deputises_for
        if principal in seated:
            raise _broken("member_and_substitute", person=str(one.person.id))


# --- the consilium --------------------------------------------------------------------------------


def is_organiser(consilium: Consilium, person: Person) -> bool:
    """A coordinator of the organisation that planned it."""
    return "coordinator" in person.duties and consilium.organiser_id == person.organisation_id


def require_organiser(consilium: Consilium, person: Person) -> None:
    """Raise NotFound or Forbidden for anybody else; a seat already knows of the consilium."""
    if is_organiser(consilium, person):
        return
    if consilium.seat_of(person.id) is None and consilium.organiser_id != person.organisation_id:
        raise NotFound
    raise Forbidden("forbidden")


def require_revision(consilium: Consilium, revision: int) -> None:
    """Two coordinators at one plan: the second sees what the first has made of it."""
    if revision != consilium.revision:
        raise Conflict("stale_revision", revision=consilium.revision, current=described(consilium))


def described(consilium: Consilium) -> dict[str, Any]:
    """Time and composition as a conflict shows them."""
    return {
        "scheduled_at": consilium.scheduled_at.isoformat(),
        "duration_minutes": consilium.duration_minutes,
        "seats": [{"person": str(one.person_id), "role": one.role} for one in consilium.seats],
    }


def check_time(scheduled_at: datetime, at: datetime) -> None:
    """Aware, not in the past, not absurdly far."""
    if scheduled_at.tzinfo is None or not at - LATE_ENTRY <= scheduled_at <= at + HORIZON:
        raise Invalid("invalid_field", field="scheduled_at")


def check_cases(plan: Plan, coordinator: Person) -> None:
    """Accepted cases of the coordinator's organisation, whose goals this kind of body may decide."""
    if len({case.id for case in plan.cases}) != len(plan.cases):
        raise Conflict("duplicate", field="cases")
    for case in plan.cases:
        if case.receiver_id != coordinator.organisation_id or case.sent_at is None:
            raise NotFound
        if case.status is not CaseStatus.ACCEPTED:
            raise Conflict("wrong_step", status=str(case.status), case=str(case.id))
        if not codes.goal_allowed(plan.kind, case.goal_code):
            raise _broken("goal_not_for_kind", case=str(case.id), goal=case.goal_code)


def check_registering(plan: Plan, coordinator: Person) -> None:
    """The organisation that registers and seals: one's own, or the one that sent every case."""
    senders = {case.sender_id for case in plan.cases}
    own = plan.organisation_id == coordinator.organisation_id
    if not own and (plan.kind == "commission" or senders != {plan.organisation_id}):
        raise Invalid("invalid_field", field="organisation")
    if plan.body is not None and plan.body.organisation_id != coordinator.organisation_id:
        raise NotFound


def require_plannable(plan: Plan, coordinator: Person, at: datetime) -> None:
    """Everything but the composition: who plans, when, which cases, who registers."""
    if "coordinator" not in coordinator.duties:
        raise Forbidden("forbidden")
    check_time(plan.scheduled_at, at)
    check_cases(plan, coordinator)
    check_registering(plan, coordinator)


def schedule(
    plan: Plan, sittings: Sequence[Sitting], coordinator: Person, number: str, at: datetime
) -> tuple[Consilium, list[Event], dict[UUID, list[Event]]]:
    """The consilium, its events, and the events of each case. The caller has looked everybody up."""
    require_plannable(plan, coordinator, at)
    check_composition(plan, sittings)
    consilium = _consilium(plan, coordinator, number, at)
    _seat(consilium, sittings)
    events: list[Event] = [
        ConsiliumScheduled(
            kind=plan.kind,
            organisation=plan.organisation_id,
            scheduled_at=plan.scheduled_at,
            seats=len(consilium.seats),
            cases=len(plan.cases),
        )
    ]
    return consilium, events, {case.id: _take(case, consilium) for case in plan.cases}


def _consilium(plan: Plan, coordinator: Person, number: str, at: datetime) -> Consilium:
    agenda = [
        AgendaItem(id=uuid4(), case_id=case.id, order=order) for order, case in enumerate(plan.cases, 1)
    ]
    return Consilium(
        id=uuid4(),
        number=number,
        kind=plan.kind,
        status=ConsiliumStatus.PLANNED,
        organisation_id=plan.organisation_id,
        organiser_id=coordinator.organisation_id,
        coordinator_id=coordinator.id,
        scheduled_at=plan.scheduled_at,
        duration_minutes=plan.duration_minutes,
        created_at=at,
        body_id=plan.body.id if plan.body else None,
        agenda=agenda,
    )


def _take(case: Case, consilium: Consilium) -> list[Event]:
    case.status = CaseStatus.SCHEDULED
    case.consilium_id = consilium.id
    case.revision += 1
    return [CaseScheduled(consilium=consilium.id, scheduled_at=consilium.scheduled_at)]


def _seat(consilium: Consilium, sittings: Sequence[Sitting]) -> None:
    """Seats in the order of the roles; whoever had a seat keeps its id. The appointed one presides."""
    known = {seat.person_id: seat for seat in consilium.seats}
    items = {item.case_id: item.id for item in consilium.agenda}
    ordered = sorted(sittings, key=lambda one: kinds.ROLES.index(one.role))
    consilium.seats = [
        _seated(known.get(one.person.id), one, order, items) for order, one in enumerate(ordered, 1)
    ]
    consilium.chair_seat_id = next(
        one.id for one in consilium.seats if kinds.presides(consilium.kind, one.role)
    )
    consilium.chair_offered_to = None


def _seated(seat: Seat | None, one: Sitting, order: int, items: dict[UUID, UUID]) -> Seat:
    invited = [items[case_id] for case_id in one.case_ids]
    if len(invited) == len(items):
        invited = []  # all of them, those added later included
    if seat is None:
        return Seat(
            id=uuid4(),
            person_id=one.person.id,
            role=one.role,
            order=order,
            name=one.person.full_name,
            position=one.person.position,
            organisation_id=one.organisation.id,
            organisation_name=one.organisation.name,
            invited_items=invited,
        )
    seat.role, seat.order, seat.invited_items = one.role, order, invited
    return seat


def reschedule(
    consilium: Consilium, cases: Sequence[Case], scheduled_at: datetime, duration_minutes: int, at: datetime
) -> tuple[list[Event], dict[UUID, list[Event]]]:
    """Another time while it is planned."""
    _require_planned(consilium)
    check_time(scheduled_at, at)
    consilium.scheduled_at = scheduled_at
    consilium.duration_minutes = duration_minutes
    consilium.revision += 1
    moved: list[Event] = [ConsiliumRescheduled(scheduled_at=scheduled_at, duration_minutes=duration_minutes)]
    told: Event = CaseScheduled(consilium=consilium.id, scheduled_at=scheduled_at)
    return moved, {case.id: [told] for case in cases}


def change_seats(consilium: Consilium, plan: Plan, sittings: Sequence[Sitting]) -> list[Event]:
    """Another composition while planned; while open only more people, nobody moved or taken away."""
    if consilium.status is ConsiliumStatus.OPEN:
        _require_only_additions(consilium, sittings)
    else:
        _require_planned(consilium)
    check_composition(plan, sittings)
    if consilium.status is ConsiliumStatus.OPEN:
        _add_seats(consilium, sittings)
    else:
        _reseat(consilium, sittings)
    consilium.revision += 1
    return [SeatsChanged(seats=len(consilium.seats))]


def _reseat(consilium: Consilium, sittings: Sequence[Sitting]) -> None:
    """Whoever has already been in the room stays on the list: the journal of attendance names his seat."""
    wanted = {one.person.id for one in sittings}
    for stay in consilium.attendance:
        seat = consilium.seat(stay.seat_id)
        if seat is not None and seat.person_id not in wanted:
            raise Conflict("wrong_step", status="was_inside", seat=str(seat.id))
    _seat(consilium, sittings)


def _require_only_additions(consilium: Consilium, sittings: Sequence[Sitting]) -> None:
    wanted = {one.person.id: one.role for one in sittings}
    for seat in consilium.seats:
        if wanted.get(seat.person_id) != seat.role:
            raise Conflict("wrong_step", status=str(consilium.status), seat=str(seat.id))


def _add_seats(consilium: Consilium, sittings: Sequence[Sitting]) -> None:
    seated = {seat.person_id for seat in consilium.seats}
    items = {item.case_id: item.id for item in consilium.agenda}
    for one in sittings:
        if one.person.id not in seated:
            consilium.seats.append(_seated(None, one, len(consilium.seats) + 1, items))


def cancel(
    consilium: Consilium, cases: Sequence[Case], reason: str
) -> tuple[list[Event], dict[UUID, list[Event]]]:
    """Before it began, with a reason; its cases wait for another consilium."""
    _require_planned(consilium)
    if not reason.strip():
        raise Invalid("reason_required", field="reason")
    consilium.status = ConsiliumStatus.CANCELLED
    consilium.cancelled_reason = reason
    consilium.revision += 1
    return [ConsiliumCancelled(reason=reason)], {case.id: give_back(case, consilium.id) for case in cases}


def give_back(case: Case, consilium_id: UUID) -> list[Event]:
    """A case that was not decided is accepted again, ready for the next consilium."""
    case.status = CaseStatus.ACCEPTED
    case.consilium_id = None
    case.revision += 1
    return [CasePostponed(consilium=consilium_id)]


def _require_planned(consilium: Consilium) -> None:
    if consilium.status is not ConsiliumStatus.PLANNED:
        raise Conflict("wrong_step", status=str(consilium.status))
