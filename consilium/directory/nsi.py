"""National dictionaries (НСИ): official files when they are installed, the hand-written tables otherwise.

Files lie in `CONSILIUM_SEMD_DIR/nsi/<last arcs>.json` as {oid, version, fullName, rows}. What rules branch
on is in `rules/codes.py` and does not change with a file; names shown to people come from the file.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from consilium.rules import codes

log = logging.getLogger(__name__)

# Dictionary -> (column of the code, column of the name).
COLUMNS: dict[str, tuple[str, str]] = {
    "11.1002": ("ID", "NAME"),
    "11.1040": ("ID", "NAME"),
    "11.1066": ("ID", "NAME"),
    "11.1506": ("ID", "NAME"),
    "11.1508": ("ID", "NAME"),
    "11.1551": ("ID", "S_NAME"),
    "99.2.368": ("CODE_ROLE", "NAME_ROLE"),
}
OWN: dict[str, tuple[str, str, dict[str, str]]] = {
    "11.1040": ("2.1", "Пол пациента", {one.code: one.ru for one in codes.SEXES.values()}),
    "11.1506": (
        "2.9",
        "Цели проведения врачебной комиссии (консилиума врачей)",
        {one.code: one.ru for one in codes.GOALS.values()},
    ),
    "11.1508": (
        "1.1",
        "Форма проведения консилиума врачей (врачебной комиссии)",
        {one.code: one.ru for one in codes.FORMS.values()},
    ),
    "11.1551": (
        "1.1",
        "Формы оказания медицинской помощи",
        {one.code: one.ru for one in codes.URGENCIES.values()},
    ),
    "99.2.368": (
        "2.8",
        "Роли сотрудников при подписании медицинских документов, в том числе в электронном виде",
        {one.code: one.ru for one in codes.SIGNER_ROLES.values()},
    ),
}
"""Version, title and rows of the hand-written tables."""

MAX_FILE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictionary:
    """One dictionary in one version. `official`: read from a file, not from our own table."""

    oid: str
    version: str
    title: str
    rows: dict[str, str]
    official: bool

    def name(self, code: str) -> str:
        """The name of a code, or the code itself: an old code keeps rendering."""
        return self.rows.get(code, code)


def dictionary(number: str, semd_dir: Path | None) -> Dictionary:
    """A dictionary by its last arcs ("11.1506"). Raises LookupError for one that nobody has."""
    found = _from_file(number, semd_dir) if semd_dir is not None else None
    if found is not None:
        return found
    version, title, rows = OWN[number]
    return Dictionary(oid=_oid(number), version=version, title=title, rows=rows, official=False)


def search(number: str, semd_dir: Path | None, text: str, limit: int = 20) -> list[tuple[str, str]]:
    """(code, name) of rows whose code or name contains the text, for a field that suggests."""
    wanted = text.casefold()
    try:
        rows = dictionary(number, semd_dir).rows
    except LookupError:
        return []
    found = [
        (code, name) for code, name in rows.items() if wanted in code.casefold() or wanted in name.casefold()
    ]
    return found[:limit]


@lru_cache(maxsize=64)
def _from_file(number: str, semd_dir: Path) -> Dictionary | None:
    path = semd_dir / "nsi" / f"{number}.json"
    if number not in COLUMNS or not path.is_file() or path.stat().st_size > MAX_FILE:
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        code, name = COLUMNS[number]
        rows = {str(row[code]): str(row[name]) for row in content["rows"]}
        return Dictionary(
            oid=content["oid"],
            version=content["version"],
            title=content["fullName"],
            rows=rows,
            official=True,
        )
    except (OSError, ValueError, KeyError, TypeError):
        log.warning("nsi.unreadable", extra={"dictionary": number})
        return None


def _oid(number: str) -> str:
    return f"1.2.643.5.1.13.13.{number}"
