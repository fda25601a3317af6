"""What the consilium settled on is written down while the protocol is a draft."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from consilium import commands as c
from consilium.handlers.asker import Table, person_of, tidied
from consilium.handlers.protocol import record, seen_protocol
from consilium.model import Advice, GivenService, Particulars, Picked, SettledDiagnosis
from consilium.model.particulars import digest_of
from consilium.rules import particulars as rules
from consilium.rules.protocol import require_editor

if TYPE_CHECKING:
    from consilium.context import Context

# A Russian keyboard has the same letters at hand; in a code only the Latin ones are meant.
_LATIN = str.maketrans("АВЕСКМНОРТХ,", "ABECKMHOPTX.")


def write(context: Context, command: c.WriteParticulars) -> dict[str, Any]:
    """Answers {digest}: what the next one says it has seen."""
    person = person_of(context)
    protocol, consilium, _ = seen_protocol(context, command.protocol, person)
    require_editor(consilium, person.id)
    given = _tidy(command.particulars)
    happened = rules.write(protocol, consilium.kind, given, command.before, person.id)
    record(context, protocol, happened)
    return {"digest": digest_of(protocol.particulars)}


def _tidy(given: Particulars) -> Particulars:
    """As it will stand in the document. Raises Invalid text_refused with the place."""
    return Particulars(
        diagnoses=tuple(_diagnosis(one, f"diagnoses.{at}") for at, one in enumerate(given.diagnoses)),
        clinical_group=_picked(given.clinical_group, "clinical_group"),
        advice=tuple(_advice(one, f"advice.{at}") for at, one in enumerate(given.advice)),
        services=tuple(_service(one, f"services.{at}") for at, one in enumerate(given.services)),
        complaints=tidied(given.complaints, "complaints"),
    )


def _diagnosis(one: SettledDiagnosis, place: str) -> SettledDiagnosis:
    return replace(
        one,
        code=_code(one.code, f"{place}.code"),
        text=tidied(one.text, f"{place}.text"),
        stage=tidied(one.stage, f"{place}.stage"),
        tumour=_picked(one.tumour, f"{place}.tumour"),
        node=_picked(one.node, f"{place}.node"),
        metastasis=_picked(one.metastasis, f"{place}.metastasis"),
    )


def _advice(one: Advice, place: str) -> Advice:
    return replace(one, text=tidied(one.text, f"{place}.text"), method=_picked(one.method, f"{place}.method"))


def _service(one: GivenService, place: str) -> GivenService:
    return GivenService(name=tidied(one.name, f"{place}.name"), code=_code(one.code, f"{place}.code"))


def _picked(one: Picked, place: str) -> Picked:
    return Picked(name=tidied(one.name, place), code=tidied(one.code, place))


def _code(value: str, place: str) -> str:
    return tidied(value, place).upper().translate(_LATIN)


HANDLERS: Table = {c.WriteParticulars: write}
