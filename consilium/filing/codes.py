"""What a registry error means for the people here: who has to do what.

The table is `advice.py`; the official texts are read from the dictionary's file where it is installed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

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

log = logging.getLogger(__name__)


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


class _Row(msgspec.Struct):
    code: str
    text: str


def official_texts(folder: Path | None) -> dict[str, str]:
    """The dictionary's texts by code, from the official files (`directory.installed.folder_of`); none without them."""
    path = folder / "nsi" / "99.2.305_remd_message_codes.json" if folder else None
    if path is None or not path.is_file():
        return {}
    try:
        return {row.code: row.text for row in msgspec.json.decode(path.read_bytes(), type=list[_Row])}
    except msgspec.MsgspecError as error:
        log.warning("filing.official_texts_unreadable", extra={"file": path.name, "cause": str(error)[:200]})
        return {}
