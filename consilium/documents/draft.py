"""The first text of a protocol, written from the facts within moments of the decision.

Chair and secretary edit the four prose sections afterwards; composition, attendance, questions and votes are facts
and stay as they are. Whatever the request or the consilium already said is reused word for word, so that nothing
is retyped.
"""

from __future__ import annotations

from consilium.documents import wording
from consilium.documents.facts import Outcome, Participant, ProtocolFacts, Resolution

EDITABLE = ("reasons", "course", "state", "decision")


def draft_sections(facts: ProtocolFacts) -> dict[str, str]:
    """Prose per section: composition, attendance, reasons, course, state, questions, votes, decision.

    A prose section that already has text keeps it. An empty string means that the facts say nothing: the editor
    must write it before the protocol can be frozen.
    """
    return {
        "composition": _composition(facts),
        "attendance": _attendance(facts),
        "reasons": facts.sections.reasons.strip() or _reasons(facts),
        "course": facts.sections.course.strip(),
        "state": facts.sections.state.strip(),
        "questions": _questions(facts),
        "votes": _votes(facts),
        "decision": facts.sections.decision.strip() or _decision(facts),
    }


def _composition(facts: ProtocolFacts) -> str:
    return "\n".join(
        f"{at}. {wording.person_line(one)} – {wording.seat(facts.kind, one.seat)}, {wording.presence(one)}."
        for at, one in enumerate(facts.participants, 1)
    )


def _attendance(facts: ProtocolFacts) -> str:
    lines = [f"{one.name.full()}: {wording.stays(one.attendance, facts)}." for one in facts.participants]
    lines += [_recusal(one) for one in facts.participants if one.recused]
    return "\n".join(lines)


def _recusal(one: Participant) -> str:
    reason = f": {one.recusal_reason}" if one.recusal_reason else ""
    return f"{one.name.full()} заявил(а) самоотвод{reason}."


def _reasons(facts: ProtocolFacts) -> str:
    asked = facts.requesting_organisation
    lines = [
        f"Консилиум созван по запросу организации «{asked.name}»." if asked else "",
        f"Цель: {wording.goal_line(facts)}." if facts.goal.name else "",
        f"Вопрос к консилиуму: {facts.question.strip()}" if facts.question.strip() else "",
        f"Диагноз при направлении: {facts.diagnosis.code} {facts.diagnosis.name}."
        if facts.diagnosis.code
        else "",
    ]
    return "\n".join(line for line in lines if line)


def _questions(facts: ProtocolFacts) -> str:
    return "\n".join(f"{one.number}. {one.wording}" for one in facts.resolutions)


def _votes(facts: ProtocolFacts) -> str:
    return "\n".join(line for one in facts.resolutions for line in _vote_lines(one, facts))


def _vote_lines(one: Resolution, facts: ProtocolFacts) -> list[str]:
    named = "; ".join(f"{name} – {choice}" for name, choice in wording.named_votes(one, facts))
    first = f"По вопросу {one.number}: {named}." if named else f"По вопросу {one.number} голосов не подано."
    quorum = f"Кворум: {one.quorum_line}." if one.quorum_line else ""
    return [
        first,
        *([quorum] if quorum else []),
        f"Итог: {wording.tally_line(one.tally)}. {wording.outcome_line(one)}",
    ]


def _decision(facts: ProtocolFacts) -> str:
    adopted = [one for one in facts.resolutions if one.outcome is Outcome.ADOPTED]
    if len(adopted) == 1:
        return adopted[0].wording
    return "\n".join(f"{at}. {one.wording}" for at, one in enumerate(adopted, 1))
