"""What would be said of a draft if it were frozen now: rendered, judged, thrown away.

While people type, the statutory sections are often still empty. They are filled with a mark for this look, so that
everything else is judged too; what is missing is a finding of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from consilium.documents import cda
from consilium.documents.conformance import MAX_FINDINGS, Report, check
from consilium.documents.editions import Edition, edition
from consilium.documents.facts import ProtocolFacts
from consilium.documents.finding import Finding, Severity, place
from consilium.documents.finding_words import LACKS, PLACES
from consilium.documents.guides import Official
from consilium.documents.required import missing_for_edition, registry_alone_asks
from consilium.documents.terms import Terms
from consilium.documents.text import mixed_words
from consilium.documents.validate import Missing, missing_items, texts_of
from consilium.documents.wording import local
from consilium.errors import Invalid

MARK = "…"
SHOWN = 8  # words of one field


def preview(facts: ProtocolFacts, files: Official | None, terms: Terms) -> Report:
    """A report on the draft; never raises for what a draft may hold."""
    row = edition(facts.kind, local(facts.frozen_at, facts.utc_offset_minutes).date())
    lacking = [_lack(one, "error") for one in missing_items(facts)]
    # The freeze asks for it where the guide is known, and so do the rules where they are installed; else it is a
    # word in time.
    judged = not row.inferred or (files is not None and files.guide_for(row.template) is not None)
    lacking += [
        _lack(one, "error" if judged and not registry_alone_asks(one, row) else "warning")
        for one in missing_for_edition(facts, row)
    ]
    lacking += _doubtful(facts)
    try:
        report = check(cda.render(_marked(facts), terms), files, terms)
    except Invalid as refused:
        return _unread(row, files, [*lacking, *_refused(refused, lacking)])
    return replace(report, findings=_merged(lacking, report.findings))


def _doubtful(facts: ProtocolFacts) -> list[Finding]:
    """Words of two alphabets, field by field: "HЕR2" looks right, is found by no search and may be meant to mislead."""
    found: dict[str, list[str]] = {}
    for path, text in texts_of(facts):
        if mixed := mixed_words(text):
            found.setdefault(_field(path), []).extend(mixed)
    return [_mixed(field, tuple(dict.fromkeys(words))[:SHOWN]) for field, words in found.items()]


def _mixed(field: str, words: tuple[str, ...]) -> Finding:
    listed, (ru, en) = ", ".join(f"«{one[:40]}»" for one in words), PLACES[field]
    return Finding(
        code="mixed_script",
        field=field,
        severity="warning",
        ru=f"{ru}: в слове стоят и русские, и латинские буквы, проверьте: {listed}.",
        en=f"{en}: Cyrillic and Latin letters in one word, please check: {listed}.",
    )


def _marked(facts: ProtocolFacts) -> ProtocolFacts:
    sections = facts.sections
    empty = {
        name: MARK
        for name in ("reasons", "course", "state", "decision")
        if not getattr(sections, name).strip()
    }
    return replace(
        facts,
        sections=replace(sections, **empty),
        goal_text=facts.goal_text if facts.goal_text.strip() else MARK,
    )


def _merged(lacking: list[Finding], found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Errors first; a rule that complains of a field we have already named in plain words says it twice."""
    named = {one.field for one in lacking if one.severity == "error"}
    rest = [one for one in found if not (one.code in {"rule", "schema"} and one.field in named)]
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted([*lacking, *rest], key=lambda one: order[one.severity]))[:MAX_FINDINGS]


def _unread(row: Edition, files: Official | None, findings: list[Finding]) -> Report:
    return Report(
        edition=row.template,
        installed=files is not None,
        xsd=False,
        rules_fired=0,
        findings=tuple(findings),
        unchecked=("schema", "rules", "dictionaries"),
    )


def _lack(one: Missing, severity: Severity) -> Finding:
    ru, en = LACKS.get(one.code, (f"не хватает: {one.field}", f"missing: {one.field}"))
    return Finding(
        code=one.code,
        field=_field(one.field),
        severity=severity,
        ru=f"{ru[0].upper()}{ru[1:]}.",
        en=f"{en[0].upper()}{en[1:]}.",
        rule="323-ФЗ ст. 48 ч. 4" if severity == "error" and one.code in STATUTORY else "",
    )


STATUTORY = frozenset(
    {"members_missing", "reasons_missing", "course_missing", "state_missing", "decision_missing"}
)


def _field(field: str) -> str:
    """A field of the facts as a place of the interface: `sections.reasons` and `participants[2].name` lead there."""
    return place(field.removeprefix("sections."))


def _refused(refused: Invalid, lacking: list[Finding]) -> list[Finding]:
    """Facts that cannot be written down at all."""
    if refused.code == "protocol_incomplete" and lacking:
        return []
    details: dict[str, Any] = refused.details
    said = str(details.get("field", ""))
    ru, en = LACKS.get(refused.code, (f"запись отклонена ({refused.code})", f"refused ({refused.code})"))
    return [
        Finding(
            code=refused.code,
            field=_field(said),
            ru=f"{ru[0].upper()}{ru[1:]}.",
            en=f"{en[0].upper()}{en[1:]}.",
            path=said,
            official=str(details.get("character", "")),
        )
    ]
