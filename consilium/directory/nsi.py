"""National dictionaries (НСИ): which editions are here, what documents are written with, what a field suggests.

Two places hold them. The database keeps every edition that was imported (`consilium nsi import`, `semd install`):
only ever added, so that an old document's codes keep their words (AD-03). The official folder's `nsi/` answers
where nothing was imported. For lists that the rules also know (`rules/codes.py`) our own tables answer last, so that
the product works from a checkout; a rule never changes with a file, only names shown to people do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from consilium.directory import nsi_files
from consilium.directory.nsi_files import BASE, DictionaryRefused, Edition
from consilium.documents.terms import BUILT_IN, Terms
from consilium.errors import Conflict
from consilium.rules import codes
from consilium.store import Reader, Transaction, dictionaries
from consilium.store.dictionaries import Imported

log = logging.getLogger(__name__)

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

MAX_DICTIONARIES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictionary:
    """One dictionary in one version. `official`: not our own table. `ended`: code -> not chosen from that day."""

    oid: str
    version: str
    title: str
    rows: Mapping[str, str]
    official: bool
    ended: Mapping[str, date]

    def name(self, code: str) -> str:
        """The name of a code, or the code itself: an old code keeps rendering."""
        return self.rows.get(code, code)

    def search(self, text: str, limit: int, on: date) -> list[tuple[str, str]]:
        """(code, name) of rows that may be chosen on a day and hold every word; those that begin so come first."""
        words = text.casefold().split()
        found = [
            (code, name)
            for code, name in self.rows.items()
            if not (code in self.ended and self.ended[code] <= on)
            and all(word in code.casefold() or word in name.casefold() for word in words)
        ]
        start = text.casefold().strip()
        found.sort(key=lambda row: not (row[0].casefold() == start or row[1].casefold().startswith(start)))
        return found[:limit]


# --- the official folder -------------------------------------------------------------------------------


def dictionary(number: str, semd_dir: Path | None) -> Dictionary:
    """A dictionary of the folder by its last arcs ("11.1506"). Raises LookupError for one that nobody has."""
    found = _from_file(number, semd_dir) if semd_dir is not None else None
    if found is not None:
        return _dictionary(found)
    version, title, rows = OWN[number]
    return Dictionary(
        oid=f"{BASE}{number}", version=version, title=title, rows=rows, official=False, ended={}
    )


def search(number: str, semd_dir: Path | None, text: str, limit: int = 20) -> list[tuple[str, str]]:
    """(code, name) of the folder's rows whose code or name holds the text."""
    try:
        return dictionary(number, semd_dir).search(text, limit, date.max)
    except LookupError:
        return []


def of_folder(folder: Path) -> tuple[list[Edition], dict[str, str]]:
    """Every dictionary of `<folder>` (or its `nsi/`), and the files that are none with the reason."""
    place = folder / "nsi" if (folder / "nsi").is_dir() else folder
    found: list[Edition] = []
    refused: dict[str, str] = {}
    for path in sorted(place.glob("*.json"))[:MAX_DICTIONARIES]:
        if path.name.endswith(".passport.json"):
            continue
        try:
            found.append(nsi_files.read(path))
        except DictionaryRefused as error:
            refused[path.name] = str(error)
    return found, refused


@lru_cache(maxsize=64)
def _from_file(number: str, semd_dir: Path) -> Edition | None:
    path = semd_dir / "nsi" / f"{number}.json"
    if not path.is_file():
        return None
    try:
        return nsi_files.read(path)
    except DictionaryRefused as error:
        log.warning("nsi.unreadable", extra={"dictionary": number, "reason": str(error)})
        return None


def _dictionary(one: Edition) -> Dictionary:
    return Dictionary(
        oid=one.oid,
        version=one.version,
        title=one.name,
        rows={row.code: row.name for row in one.entries},
        official=True,
        ended={row.code: row.ended for row in one.entries if row.ended is not None},
    )


# --- the database --------------------------------------------------------------------------------------


def keep(tx: Transaction, edition: Edition, at: datetime) -> bool:
    """Take an edition in; False when it is here already.

    Raises Conflict("duplicate") for other rows under a version that is here: a published version never changes.
    """
    known = {one.version: one for one in dictionaries.editions(tx.connection, edition.oid)}
    digest = edition.digest()
    if edition.version in known:
        if known[edition.version].digest != digest:
            raise Conflict("duplicate", field=f"{edition.number} {edition.version}")
        return False
    imported = Imported(edition.oid, edition.version, edition.name, digest, at)
    dictionaries.add(tx.connection, imported, [asdict(one) for one in edition.entries])
    return True


def in_force(reader: Reader, on: datetime) -> dict[str, Imported]:
    """The newest edition of each dictionary among those that were here at a moment, by last arcs."""
    found: dict[str, Imported] = {}
    for one in dictionaries.editions(reader.connection):
        number = one.oid.removeprefix(BASE)
        if one.imported_at <= on and (
            number not in found or _order(found[number].version) < _order(one.version)
        ):
            found[number] = one
    return found


def kept(reader: Reader, one: Imported) -> Dictionary:
    """An edition with its rows."""
    rows = dictionaries.entries(reader.connection, one.oid, one.version)
    return Dictionary(
        oid=one.oid,
        version=one.version,
        title=one.name,
        rows={row["code"]: row["name"] for row in rows},
        official=True,
        ended={row["code"]: row["ended"] for row in rows if row["ended"] is not None},
    )


def edition(reader: Reader, number: str, version: str) -> Dictionary | None:
    """One edition by its version, newest or long gone: what an old document's code was called."""
    for one in dictionaries.editions(reader.connection, f"{BASE}{number}"):
        if one.version == version:
            return kept(reader, one)
    return None


def terms(reader: Reader, on: datetime, folder: Path | None = None) -> Terms:
    """What a document of this moment is written with; what is not here comes from BUILT_IN."""
    return terms_of(all_in_force(reader, on, folder).values())


def all_in_force(reader: Reader, on: datetime, folder: Path | None = None) -> dict[str, Dictionary]:
    """By last arcs: the database's dictionaries, then the folder's that were never imported."""
    found = {one.number: _dictionary(one) for one in (of_folder(folder)[0] if folder else [])}
    return found | {number: kept(reader, one) for number, one in in_force(reader, on).items()}


def terms_of(found: Iterable[Dictionary]) -> Terms:
    """Dictionaries as the renderer takes them; BUILT_IN itself when there are none."""
    whole = {one.oid.removeprefix(BASE): one for one in found}
    if not whole:
        return BUILT_IN
    return Terms(
        versions={number: (one.version, one.title) for number, one in whole.items()},
        names={number: one.rows for number, one in whole.items()},
    )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
