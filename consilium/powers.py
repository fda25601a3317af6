"""By what right a key signs for an organisation: its own certificate, or a person's power of attorney (МЧД).

63-ФЗ art. 17.2: a person's certificate signs for an organisation together with a machine-readable power of attorney.
The operator puts it beside the key as `power_of_attorney.json`: `number`, the `person` it names (`snils`, `surname`,
`given` with patronymic), and whatever else the registry of powers gave (dates, principal); all of it goes into the
package as it is.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from consilium import clock
from consilium.errors import Unavailable
from consilium.model import Organisation
from consilium.rules.turns import ZONE
from consilium.seal.names import ExpectedSigner

__all__ = ["FILE", "expected_sealer", "power_of"]

FILE = "power_of_attorney.json"
LARGEST = 64 * 1024


def power_of(folder: Path) -> dict[str, Any]:
    """The power of attorney beside a seal's key; empty where there is none.

    Raises Unavailable no_certificate for a file that cannot be read, names no number, or is not in force today by its
    own `valid_from` and `valid_until` (days, both of them included).
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unavailable("no_certificate", what=FILE) from error
    try:
        power = json.loads(content[: LARGEST + 1])
    except (ValueError, RecursionError) as error:
        raise Unavailable("no_certificate", what=FILE) from error
    if len(content) > LARGEST or not isinstance(power, dict) or not isinstance(power.get("number"), str):
        raise Unavailable("no_certificate", what=FILE)
    if not _in_force(power, clock.now().astimezone(ZONE).date()):
        raise Unavailable("no_certificate", what=FILE)
    return power


def _in_force(power: dict[str, Any], day: date) -> bool:
    """A day that cannot be read does not count as one that has come, or not passed."""
    try:
        first, last = (
            date.fromisoformat(power[name][:10]) if name in power else day
            for name in ("valid_from", "valid_until")
        )
    except (ValueError, TypeError):
        return False
    return first <= day <= last


def expected_sealer(organisation: Organisation, power: dict[str, Any]) -> ExpectedSigner:
    """Whose certificate may seal: the organisation's by its ОГРН and ИНН, or the named person's by the power."""
    person = power.get("person")
    if not isinstance(person, dict):
        return ExpectedSigner.of_organisation(ogrn=organisation.ogrn, inn=organisation.inn)
    return ExpectedSigner.of_representative(
        ogrn=organisation.ogrn,
        inn=organisation.inn,
        person=ExpectedSigner.person(
            **{name: str(person.get(name, "")) for name in ("snils", "surname", "given")}
        ),
        power_of_attorney=power["number"],
    )
