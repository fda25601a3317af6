"""Russian words for facts: dates, roles, votes, counts. The one place where a protocol's phrases live.

Both the signed document (narrative.py) and the first draft (draft.py) speak with these, so that they cannot differ.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from consilium.documents.facts import (
    Choice,
    Consent,
    ConsentBasis,
    Interval,
    Outcome,
    Participant,
    ProtocolFacts,
    ProtocolKind,
    Resolution,
    SeatKind,
    Tally,
)

SEATS: dict[SeatKind, str] = {
    SeatKind.CHAIR: "председатель",
    SeatKind.DEPUTY: "заместитель председателя",
    SeatKind.SECRETARY: "секретарь",
    SeatKind.MEMBER: "участник консилиума",
    SeatKind.CONSULTANT: "консультант",
    SeatKind.ATTENDING: "лечащий врач",
    SeatKind.EXPERT: "приглашённый специалист",
    SeatKind.OBSERVER: "наблюдатель",
}
CHOICES: dict[Choice, str] = {
    Choice.FOR: "за",
    Choice.AGAINST: "против",
    Choice.ABSTAIN: "воздержался",
}
OUTCOMES: dict[Outcome, str] = {
    Outcome.ADOPTED: "Решение принято",
    Outcome.REJECTED: "Решение не принято",
    Outcome.NO_QUORUM: "Голосование не состоялось: нет кворума",
    Outcome.WITHDRAWN: "Вопрос снят с голосования",
}


def seat(kind: ProtocolKind, one: SeatKind) -> str:
    """What a person was at the table; a commission has members, not participants."""
    if kind is ProtocolKind.COMMISSION and one is SeatKind.MEMBER:
        return "член комиссии"
    return SEATS[one]


def day(value: date) -> str:
    """`23.11.2026`."""
    return f"{value.day:02}.{value.month:02}.{value.year:04}"


def local(value: datetime, offset_minutes: int) -> datetime:
    """The same moment on the wall clock of the registering organisation."""
    return value.astimezone(timezone(timedelta(minutes=offset_minutes)))


def offset_name(offset_minutes: int) -> str:
    """`UTC+3`, `UTC+5:30`."""
    hours, minutes = divmod(abs(offset_minutes), 60)
    tail = f":{minutes:02}" if minutes else ""
    return f"UTC{'-' if offset_minutes < 0 else '+'}{hours}{tail}"


def moment(value: datetime, offset_minutes: int) -> str:
    """`23.11.2026 14:05`."""
    here = local(value, offset_minutes)
    return f"{day(here)} {here.hour:02}:{here.minute:02}"


def clock(value: datetime, offset_minutes: int) -> str:
    """`14:05:09`: attendance is kept to the second."""
    here = local(value, offset_minutes)
    return f"{here.hour:02}:{here.minute:02}:{here.second:02}"


def person_line(one: Participant) -> str:
    """`Иванов Иван Иванович, врач-онколог, НМИЦ`."""
    return f"{one.name.full()}, {one.post.name}, {one.organisation.name}"


def presence(one: Participant) -> str:
    """How the person took part."""
    if not one.attended:
        return "отсутствовал(а)"
    way = "дистанционно" if one.remote else "очно"
    return f"{way}, самоотвод" if one.recused else way


def stays(intervals: tuple[Interval, ...], facts: ProtocolFacts) -> str:
    """`14:00:02–14:40:10, 14:42:00–15:01:30`; somebody still there stayed until the end."""
    offset = facts.utc_offset_minutes
    spans = (
        f"{clock(stay.joined, offset)}–{clock(stay.left or facts.ended_at, offset)}" for stay in intervals
    )
    return ", ".join(spans) or "не присутствовал(а)"


def tally_line(tally: Tally) -> str:
    """`за – 3, против – 1, воздержались – 0`."""
    line = f"за – {tally.in_favour}, против – {tally.against}, воздержались – {tally.abstained}"
    return f"{line}, не голосовали – {tally.not_voted}" if tally.not_voted else line


def outcome_line(one: Resolution) -> str:
    """The outcome with the rule that made it."""
    return f"{OUTCOMES[one.outcome]} ({one.rule_name})." if one.rule_name else f"{OUTCOMES[one.outcome]}."


def named_votes(one: Resolution, facts: ProtocolFacts) -> list[tuple[str, str]]:
    """Name and vote of everybody who voted, in the order of the participants."""
    order = {person.person_id: at for at, person in enumerate(facts.participants)}
    cast = sorted(one.votes, key=lambda vote: order[vote.person_id])
    return [(person_name(facts, vote.person_id), CHOICES[vote.choice]) for vote in cast]


def person_name(facts: ProtocolFacts, person_id: str) -> str:
    """The full name of a participant."""
    one = facts.person(person_id)
    return one.name.full() if one else person_id


def consent_line(consent: Consent) -> str:
    """The consent or the ground that replaces it."""
    if consent.basis is ConsentBasis.CONSENT:
        parts = ["Информированное добровольное согласие получено"]
        parts += [day(consent.given_on)] if consent.given_on else []
    else:
        parts = ["Без согласия пациента, основание:", consent.ground or "323-ФЗ ст. 20"]
    line = " ".join(parts)
    return f"{line} ({consent.reference})." if consent.reference else f"{line}."


DECIDES = {
    ProtocolKind.GENERAL: "консилиумом",
    ProtocolKind.ONCOLOGICAL: "консилиумом",
    ProtocolKind.CONSULTATION: "консультантом",
    ProtocolKind.COMMISSION: "врачебной комиссией",
}


def diagnosis_origin(kind: ProtocolKind, *, settled: bool) -> str:
    """Whose diagnosis the document states."""
    if settled:
        return f"Диагноз установлен {DECIDES[kind]}."
    return "Диагноз приведён по направлению, иной не записан."


def goal_line(facts: ProtocolFacts, name: str = "") -> str:
    """The goal (`name`: as the dictionary calls it), with the words that goal 10 demands."""
    said = name or facts.goal.name
    return f"{said}: {facts.goal_text}" if facts.goal_text else said
