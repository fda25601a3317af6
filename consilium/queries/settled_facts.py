"""What the consilium settled on, as documents want it; nothing entered gives nothing, and the defaults stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from consilium.documents import facts
from consilium.documents.record import Tnm, Treatment
from consilium.model.particulars import MAIN_DIAGNOSIS, Advice, Particulars, Picked, SettledDiagnosis
from consilium.rules import codes


def settled_diagnoses(given: Particulars) -> tuple[facts.Diagnosis, ...]:
    """The main one first, the others in the order they were entered in."""
    ordered = sorted(given.diagnoses, key=lambda one: one.kind != MAIN_DIAGNOSIS)
    return tuple(_diagnosis(one) for one in ordered)


def _diagnosis(one: SettledDiagnosis) -> facts.Diagnosis:
    # Where МКБ-10 is not installed, the doctors' words are the name of the code, as in the referral.
    return facts.Diagnosis(
        code=facts.Coded(code=one.code, name=one.text),
        kind=facts.Coded(code=one.kind, name=codes.DIAGNOSIS_KINDS[one.kind].ru),
        text=one.text,
        certainty=_coded(codes.CERTAINTIES, one.certainty),
        nature=_coded(codes.NATURES, one.nature),
        stage=one.stage,
        tnm=_tnm(one),
    )


def _tnm(one: SettledDiagnosis) -> Tnm | None:
    if Picked() == one.tumour == one.node == one.metastasis:
        return None
    return Tnm(
        tumour=_picked(one.tumour),
        metastasis=_picked(one.metastasis),
        node=_picked(one.node) if one.node.name else None,
    )


def _coded(table: Mapping[str, codes.Term], code: str) -> facts.Coded | None:
    return facts.Coded(code=code, name=table[code].ru) if code else None


def _picked(one: Picked) -> facts.Coded:
    return facts.Coded(code=one.code, name=one.name)


def settled_group(given: Particulars) -> facts.Coded | None:
    """The clinical group of a patient with a tumour."""
    return _picked(given.clinical_group) if given.clinical_group.name else None


def settled_services(given: Particulars, at: datetime) -> tuple[facts.Service, ...]:
    """Given at the consilium, so dated by its end."""
    return tuple(
        facts.Service(what=facts.Coded(code=one.code, name=one.name), at=at) for one in given.services
    )


def settled_recommendations(given: Particulars) -> facts.Recommendations:
    """Treatment by stages, examinations, and the rest line by line under its own word (RECTREAT, RECEXAM, RECOTHER)."""
    return facts.Recommendations(
        treatments=tuple(_treatments(given)),
        examinations="\n".join(one.text for one in given.advice if one.kind == "examination"),
        other="\n".join(_line(one) for one in given.advice if one.kind in codes.ADVICE),
    )


def _treatments(given: Particulars) -> Iterator[Treatment]:
    lines = [one for one in given.advice if one.kind == "treatment"]
    for at, one in enumerate(lines, 1):
        yield Treatment(
            text=one.text, method=_picked(one.method), stage=one.stage or at, planned_on=one.planned_on
        )


def _line(one: Advice) -> str:
    return f"{codes.ADVICE[one.kind].ru}: {one.text}"
