"""What the consilium settled on: shapes, codes, places, and nobody's words overwritten. Refusals first."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from consilium.errors import ConsiliumError, Invalid
from consilium.events import ParticularsWritten
from consilium.model import Advice, GivenService, Particulars, Picked, ProtocolStatus, SettledDiagnosis
from consilium.model.particulars import digest_of, kept, read_particulars
from consilium.rules import particulars as rules
from tests.rules.makers import protocol

MAIN = SettledDiagnosis(code="C50.4", kind="1", text="Рак левой молочной железы")
BESIDE = SettledDiagnosis(code="I10", kind="3", text="Гипертоническая болезнь")
CHEMO = Advice(
    kind="treatment",
    text="4 курса AC",
    method=Picked(name="Химиотерапия", code="41"),
    stage=1,
    planned_on=date(2026, 12, 1),
)
NOTHING = digest_of("")


def refused(kind: str, **given: Any) -> ConsiliumError:
    with pytest.raises(Invalid) as caught:
        rules.check(Particulars(**given), kind)
    return caught.value


@pytest.mark.parametrize(
    "diagnosis,code,field",
    [
        (replace(MAIN, code=""), "field_required", "code"),
        (replace(MAIN, code="50.4"), "invalid_field", "code"),
        (replace(MAIN, text=""), "field_required", "text"),
        (replace(MAIN, kind="9"), "unknown_code", "kind"),
        (replace(MAIN, certainty="4"), "unknown_code", "certainty"),  # made of the dead
        (replace(MAIN, nature="7"), "unknown_code", "nature"),
        (replace(MAIN, tumour=Picked(code="8442")), "field_required", "tumour"),
        (replace(MAIN, node=Picked(name="N0", code="<x>")), "invalid_field", "node"),
    ],
)
def test_a_diagnosis_has_a_code_words_and_a_kind_the_dictionary_knows(
    diagnosis: SettledDiagnosis, code: str, field: str
):
    found = refused("oncological", diagnoses=(MAIN, diagnosis))
    assert (found.code, found.details["field"]) == (code, f"diagnoses.1.{field}")


@pytest.mark.parametrize(
    "diagnoses,field", [((BESIDE,), "diagnoses.0.kind"), ((MAIN, BESIDE, MAIN), "diagnoses.2.kind")]
)
def test_there_is_exactly_one_main_diagnosis(diagnoses: tuple[SettledDiagnosis, ...], field: str):
    found = refused("general", diagnoses=diagnoses)
    assert (found.code, found.details["field"]) == ("main_diagnosis", field)


@pytest.mark.parametrize(
    "kind,given,field",
    [
        ("general", {"complaints": "Боль"}, "complaints"),
        ("commission", {"services": (GivenService(name="Приём"),)}, "services"),
        ("consultation", {"services": (GivenService(name="Приём"),)}, "services"),
        ("general", {"clinical_group": Picked(name="II")}, "clinical_group"),
        ("general", {"diagnoses": (replace(MAIN, stage="IIA"),)}, "diagnoses.0.stage"),
        (
            "commission",
            {"diagnoses": (MAIN, replace(BESIDE, tumour=Picked(name="T1")))},
            "diagnoses.1.tumour",
        ),
        ("general", {"advice": (replace(CHEMO, kind="diet"),)}, "advice.0.method"),
    ],
)
def test_what_the_document_has_no_place_for_is_refused(kind: str, given: dict[str, Any], field: str):
    found = refused(kind, **given)
    assert (found.code, found.details["field"]) == ("no_place", field)


@pytest.mark.parametrize(
    "given,code,field",
    [
        ({"advice": (Advice(kind="diet", text=""),)}, "field_required", "advice.0.text"),
        ({"services": (GivenService(name="", code="B01.027.001"),)}, "field_required", "services.0.name"),
        ({"services": (GivenService(name="Приём", code="B1"),)}, "invalid_field", "services.0.code"),
        ({"clinical_group": Picked(code="2")}, "field_required", "clinical_group"),
    ],
)
def test_an_empty_or_misspelt_line_is_named(given: dict[str, Any], code: str, field: str):
    found = refused("oncological", **given)
    assert (found.code, found.details["field"]) == (code, field)


def test_what_was_settled_on_is_kept_with_its_digest_in_the_journal():
    draft, who = protocol(status=ProtocolStatus.DRAFTING), uuid4()
    given = Particulars(diagnoses=(MAIN, BESIDE), advice=(CHEMO,), services=(GivenService(name="Консилиум"),))
    told = rules.write(draft, "oncological", given, NOTHING, who)
    assert read_particulars(draft.particulars) == given
    assert told == [ParticularsWritten(by=who, digest=digest_of(kept(given)), diagnoses=2, advice=1)]


def test_the_same_again_changes_nothing_whatever_was_seen():
    draft, who = protocol(status=ProtocolStatus.DRAFTING), uuid4()
    given = Particulars(diagnoses=(MAIN,))
    rules.write(draft, "general", given, NOTHING, who)
    revision = draft.revision
    assert rules.write(draft, "general", given, NOTHING, who) == []
    assert draft.revision == revision


def test_other_words_written_meanwhile_are_given_back_and_stay():
    draft = protocol(status=ProtocolStatus.DRAFTING)
    first = Particulars(diagnoses=(MAIN,))
    rules.write(draft, "general", first, NOTHING, uuid4())
    with pytest.raises(ConsiliumError) as caught:
        rules.write(draft, "general", Particulars(diagnoses=(BESIDE, MAIN)), NOTHING, uuid4())
    assert caught.value.code == "stale_revision"
    assert caught.value.details["digest"] == digest_of(kept(first))
    assert [one["code"] for one in caught.value.details["current"]["diagnoses"]] == ["C50.4"]
    assert read_particulars(draft.particulars) == first


def test_everything_taken_away_again_is_nothing_entered():
    draft = protocol(status=ProtocolStatus.DRAFTING)
    rules.write(draft, "general", Particulars(diagnoses=(MAIN,)), NOTHING, uuid4())
    rules.write(draft, "general", Particulars(), digest_of(draft.particulars), uuid4())
    assert draft.particulars == ""


def test_frozen_words_are_not_written():
    draft = protocol(status=ProtocolStatus.DRAFTING)
    draft.status = ProtocolStatus.SIGNING
    with pytest.raises(ConsiliumError) as caught:
        rules.write(draft, "general", Particulars(diagnoses=(MAIN,)), NOTHING, uuid4())
    assert caught.value.code == "draft_frozen"
