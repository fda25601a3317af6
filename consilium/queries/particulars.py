"""What the consilium settled on, with everything its form needs: places, choices, and the referral's own diagnosis."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from consilium.model import Person
from consilium.model.particulars import digest_of, plain, read_particulars
from consilium.queries.protocols import allowed, seen_protocol
from consilium.rules import codes, particulars
from consilium.store import Reader

CHOICES: dict[str, dict[str, codes.Term]] = {
    "kinds": codes.DIAGNOSIS_KINDS,
    "certainties": codes.CERTAINTIES,
    "natures": codes.NATURES,
    "methods": codes.TREATMENTS,
}


def outcome(reader: Reader, person: Person, protocol_id: UUID) -> dict[str, Any]:
    """{digest, particulars, may_edit, places, referral, choices}. Raises NotFound for whom it does not exist.

    `methods` keep their official names: they are what the document says.
    """
    protocol, consilium, _, case = seen_protocol(reader, person, protocol_id)
    return {
        "digest": digest_of(protocol.particulars),
        "particulars": plain(read_particulars(protocol.particulars)),
        "may_edit": "edit" in allowed(protocol, consilium, person),
        "places": sorted(particulars.PLACES[consilium.kind]),
        "referral": {"code": case.diagnosis_code, "text": case.diagnosis_name},
        "choices": {name: _choices(table, person.language, name) for name, table in CHOICES.items()},
    }


def _choices(table: dict[str, codes.Term], language: str, name: str) -> list[dict[str, str]]:
    english = language == "en" and name != "methods"
    return [{"code": one.code, "name": one.en if english else one.ru} for one in table.values()]
