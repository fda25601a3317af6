"""Whether a person's certificate seals for an organisation: by the power of attorney filed in `report/seal.json`.

63-ФЗ art. 17.2. The file is under the manifest; whether the power was in force is for the registry of powers to say.
"""

import json
from typing import Any

from consilium.seal.names import SignerIdentity
from consilium.seal.policy import Policy

__all__ = ["GROUND", "represents"]

GROUND = "report/seal.json"


def represents(ground: bytes, signer: SignerIdentity, policy: Policy) -> bool:
    """Whether the policy allows powers of attorney and the one filed, by its number, names this person."""
    if not policy.power_of_attorney or not signer.snils:
        return False
    try:
        power: Any = json.loads(ground)["power_of_attorney"]
        number, snils = power["number"], power["person"]["snils"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    digits = "".join(letter for letter in str(snils) if letter.isdigit())
    return isinstance(number, str) and bool(number.strip()) and digits == signer.snils
