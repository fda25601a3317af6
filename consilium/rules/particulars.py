"""What the consilium settled on, entered by those who write the protocol: diagnoses, advice, services, complaints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

from consilium.errors import Conflict, Invalid
from consilium.events import Event, ParticularsWritten
from consilium.model import Advice, GivenService, Particulars, Picked, Protocol, SettledDiagnosis
from consilium.model.particulars import MAIN_DIAGNOSIS, digest_of, kept, plain, read_particulars
from consilium.rules import codes
from consilium.rules.protocol import require_drafting
from consilium.rules.request import DIAGNOSIS

# 11.1070: a letter, then groups of digits (A16.20.001, B01.027.001, A06.09.005.002).
_SERVICE = re.compile(r"[A-F][0-9]{2}(\.[0-9]{2,3}){2,3}")
_PICKED = re.compile(r"[0-9A-Za-z][0-9A-Za-z./+-]{0,19}")
OF_A_TREATMENT = ("method", "stage", "planned_on")

TUMOUR = frozenset({"stage", "tumour", "node", "metastasis"})
_EVERYWHERE = frozenset({"diagnoses", "advice"})
PLACES: dict[str, frozenset[str]] = {
    "general": _EVERYWHERE | {"services"},
    "oncological": _EVERYWHERE | TUMOUR | {"services", "clinical_group"},
    "consultation": _EVERYWHERE | {"complaints"},
    "commission": _EVERYWHERE,
}
"""Kind -> what its document has a place for (guides 190 and 15.15.1; documents/layouts.py)."""


def write(protocol: Protocol, kind: str, given: Particulars, before: str, by: UUID) -> list[Event]:
    """The whole of it anew; the same again changes nothing. `before`: the digest of what the writer saw.

    Raises Conflict draft_frozen, stale_revision (with what stands there now); Invalid as `check`.
    """
    require_drafting(protocol)
    check(given, kind)
    text = kept(given)
    if text == protocol.particulars:
        return []
    if digest_of(protocol.particulars) != before:
        now = protocol.particulars
        raise Conflict("stale_revision", digest=digest_of(now), current=plain(read_particulars(now)))
    protocol.particulars = text
    protocol.revision += 1
    return [
        ParticularsWritten(
            by=by, digest=digest_of(text), diagnoses=len(given.diagnoses), advice=len(given.advice)
        )
    ]


def check(given: Particulars, kind: str) -> None:
    """Shapes, codes and places; what the state's dictionaries say besides is judged with the document.

    Raises Invalid invalid_field, field_required, unknown_code, whose `field` is "diagnoses.0.code".
    """
    for at, one in enumerate(given.diagnoses):
        _check_diagnosis(one, f"diagnoses.{at}")
    for at, line in enumerate(given.advice):
        _check_advice(line, f"advice.{at}")
    for at, service in enumerate(given.services):
        _check_service(service, f"services.{at}")
    _check_picked(given.clinical_group, "clinical_group")
    _require_one_main(given)
    _require_places(given, kind)


def _require_one_main(given: Particulars) -> None:
    main = [at for at, one in enumerate(given.diagnoses) if one.kind == MAIN_DIAGNOSIS]
    if given.diagnoses and not main:
        raise Invalid("main_diagnosis", field="diagnoses.0.kind")
    if len(main) > 1:
        raise Invalid("main_diagnosis", field=f"diagnoses.{main[1]}.kind")


def _require_places(given: Particulars, kind: str) -> None:
    """What the document has no place for is not taken and then lost."""
    for field, part in _entered(given):
        if part not in PLACES[kind]:
            raise Invalid("no_place", field=field)


def _entered(given: Particulars) -> Iterator[tuple[str, str]]:
    """(field, part) of everything that is not empty and not in every document."""
    if given.services:
        yield "services", "services"
    if given.complaints:
        yield "complaints", "complaints"
    if given.clinical_group != Picked():
        yield "clinical_group", "clinical_group"
    for at, one in enumerate(given.diagnoses):
        for part in sorted(TUMOUR):
            if getattr(one, part) not in {"", Picked()}:
                yield f"diagnoses.{at}.{part}", part


def _check_diagnosis(one: SettledDiagnosis, place: str) -> None:
    if not one.code:
        raise Invalid("field_required", field=f"{place}.code")
    if not DIAGNOSIS.fullmatch(one.code):
        raise Invalid("invalid_field", field=f"{place}.code")
    if not one.text:
        raise Invalid("field_required", field=f"{place}.text")
    for name, value, table in _coded(one):
        if value not in table:
            raise Invalid("unknown_code", field=f"{place}.{name}", value=value)
    for part in ("tumour", "node", "metastasis"):
        _check_picked(getattr(one, part), f"{place}.{part}")


def _coded(one: SettledDiagnosis) -> Iterator[tuple[str, str, dict[str, codes.Term]]]:
    yield "kind", one.kind, codes.DIAGNOSIS_KINDS
    if one.certainty:
        yield "certainty", one.certainty, codes.CERTAINTIES
    if one.nature:
        yield "nature", one.nature, codes.NATURES


def _check_advice(one: Advice, place: str) -> None:
    if not one.text:
        raise Invalid("field_required", field=f"{place}.text")
    _check_picked(one.method, f"{place}.method")
    if one.kind == "treatment":
        return
    for name in OF_A_TREATMENT:
        if getattr(one, name) not in {0, None, Picked()}:
            raise Invalid("no_place", field=f"{place}.{name}")


def _check_service(one: GivenService, place: str) -> None:
    if not one.name:
        raise Invalid("field_required", field=f"{place}.name")
    if one.code and not _SERVICE.fullmatch(one.code):
        raise Invalid("invalid_field", field=f"{place}.code")


def _check_picked(one: Picked, place: str) -> None:
    if one.code and not one.name:
        raise Invalid("field_required", field=place)
    if one.code and not _PICKED.fullmatch(one.code):
        raise Invalid("invalid_field", field=place)
