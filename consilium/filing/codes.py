"""What a registry error means for the people here: who has to do what.

The table is `advice.py`; the official texts are read from the dictionary's file when it is installed
(CONSILIUM_SEMD_DIR).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consilium.filing.advice import ADVICE, OURS, UNKNOWN, Advice, Remedy
from consilium.filing.port import RegistryError

__all__ = [
    "ADVICE",
    "OURS",
    "UNKNOWN",
    "Advice",
    "Explanation",
    "Remedy",
    "advice",
    "explain",
    "official_texts",
    "remedy_of_all",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A registry error made readable. `official` is the dictionary's text, else the registry's own words."""

    code: str
    remedy: Remedy
    ru: str
    en: str
    official: str


def advice(code: str) -> Advice:
    """What to do about a code; unknown ones go to the administrator."""
    return ADVICE.get(code) or OURS.get(code) or UNKNOWN


def remedy_of_all(errors: Sequence[RegistryError]) -> Remedy:
    """The remedy of an answer with several errors: repeating helps only when it helps against all of them."""
    order = (Remedy.ADMINISTRATOR, Remedy.SIGN_AGAIN, Remedy.FIX_DATA, Remedy.RETRY)
    found = {advice(one.code).remedy for one in errors}
    return next((one for one in order if one in found), Remedy.ADMINISTRATOR)


def explain(error: RegistryError, official: dict[str, str] | None = None) -> Explanation:
    """One error for a page: advice in both languages and the official words."""
    found = advice(error.code)
    return Explanation(
        code=error.code,
        remedy=found.remedy,
        ru=found.ru,
        en=found.en,
        official=(official or {}).get(error.code, "") or error.message,
    )


def official_texts(semd_dir: Path | None) -> dict[str, str]:
    """The dictionary's texts by code; empty when the folder is not installed."""
    path = semd_dir / "nsi" / "99.2.305_remd_message_codes.json" if semd_dir else None
    if path is None or not path.is_file():
        return {}
    return {str(row["code"]): str(row["text"]) for row in json.loads(path.read_text(encoding="utf-8"))}
