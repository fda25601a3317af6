"""Files of the national dictionaries (НСИ): what the port's REST interface answers, and what is saved from it.

Three shapes are read: `{"oid", "version", "fullName", "rows": [{column: value}]}`; the answer of /port/rest/data
(`{"result": "OK", "list": [[{"column", "value"}, …]]}`, or an array of such pages) with the dictionary's passport
beside it in `<name>.passport.json`; and one file with both under "passport" and "data". A file is hostile until
read: bounded, and refused with a reason.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from consilium.documents.text import refused_character, tidy_text

BASE = "1.2.643.5.1.13.13."
MAX_FILE = 64 * 2**20
MAX_ROWS = 200_000
MAX_TEXT = 4000
_OID = re.compile(r"1\.2\.643\.5\.1\.13\.13(\.(0|[1-9][0-9]{0,5})){2,6}")
_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,3}")

# Last arcs -> (column of the code, column of the name), where they are not ID and NAME. Source: the ministry's
# validator (FNSIlist) and the files themselves.
COLUMNS: dict[str, tuple[str, str]] = {
    "11.1005": ("MKB_CODE", "MKB_NAME"),
    "11.1070": ("S_CODE", "NAME"),
    "11.1077": ("ID", "FULL_NAME"),
    "11.1078": ("ID", "NAMESH"),
    "11.1080": ("ID", "FULLNAME"),
    "11.1081": ("ID", "SPECIMEN"),
    "11.1116": ("CODE", "NAME"),
    "11.1358": ("ID", "SHORTNAME"),
    "11.1379": ("CODE", "NAME"),
    "11.1461": ("oid", "nameFull"),
    "11.1471": ("ID", "FULLNAME"),
    "11.1504": ("ID", "ADDRESS_TYPE"),
    "11.1522": ("RECID", "Name"),
    "11.1551": ("ID", "S_NAME"),
    "99.2.197": ("CODE", "NAME"),
    "99.2.206": ("CODE_FNS", "SUBJECT"),
    "99.2.285": ("CODE", "NAME"),
    "99.2.322": ("CODE", "NAME"),
    "99.2.368": ("CODE_ROLE", "NAME_ROLE"),
    "99.2.723": ("ID", "Name"),
    "99.2.726": ("ID", "Type"),
    "99.2.778": ("ID", "laterality"),
}
_ENDS = ("DATA_END", "DATEOUT", "END_DATE", "DATE_END")


class DictionaryRefused(Exception):
    """The file is no dictionary we can read; the message says why, in English, for an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row. `ended`: the day from which it is not chosen any more; `extra`: every other column as it came."""

    code: str
    name: str
    position: int
    ended: date | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One version of one dictionary."""

    oid: str
    version: str
    name: str
    entries: tuple[Entry, ...]

    @property
    def number(self) -> str:
        """The last arcs, "11.1002": how the rest of the product calls it."""
        return self.oid.removeprefix(BASE)

    def digest(self) -> str:
        """SHA-256 of the rows: the same version with other rows shows."""
        rows = sorted((one.code, one.name) for one in self.entries)
        return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def read(path: Path) -> Edition:
    """A dictionary from its file. Raises DictionaryRefused."""
    content = _content(path)
    passport, rows = _parts(path, content)
    oid, version = str(passport.get("oid", "")), str(passport.get("version", ""))
    if not _OID.fullmatch(oid) or not _VERSION.fullmatch(version):
        raise DictionaryRefused("oid or version is missing")
    if len(rows) > MAX_ROWS or not rows:
        raise DictionaryRefused(f"{len(rows)} rows")
    name = " ".join(str(passport.get("fullName") or passport.get("shortName") or "").split())[:MAX_TEXT]
    if not name or refused_character(name) is not None:
        raise DictionaryRefused("fullName is missing")
    number = oid.removeprefix(BASE)
    return Edition(oid=oid, version=version, name=name, entries=_entries(number, rows))


def _content(path: Path) -> Any:
    if path.is_symlink() or not path.is_file():
        raise DictionaryRefused("no plain file")
    if path.stat().st_size > MAX_FILE:
        raise DictionaryRefused(f"larger than {MAX_FILE} bytes")
    try:
        return msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise DictionaryRefused(str(error)[:200]) from error


def _parts(path: Path, content: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Passport and rows, whatever the shape."""
    if isinstance(content, dict) and isinstance(content.get("rows"), list):
        return content, _records(content["rows"])
    if isinstance(content, dict) and isinstance(content.get("passport"), dict):
        return content["passport"], _answered(content.get("data"))
    beside = path.with_name(f"{path.stem}.passport.json")
    if not beside.exists():
        raise DictionaryRefused(f"neither rows nor {beside.name}")
    passport = _content(beside)
    if not isinstance(passport, dict):
        raise DictionaryRefused(f"{beside.name} is no passport")
    return passport, _answered(content)


def _records(rows: list[Any]) -> list[dict[str, Any]]:
    if not all(isinstance(one, dict) for one in rows):
        raise DictionaryRefused("a row is no object")
    return rows


def _answered(content: Any) -> list[dict[str, Any]]:
    """Rows of one REST answer or of several pages."""
    pages = content if isinstance(content, list) else [content]
    found: list[dict[str, Any]] = []
    for page in pages:
        if not isinstance(page, dict) or page.get("result") != "OK" or not isinstance(page.get("list"), list):
            raise DictionaryRefused("no answer of the port (result OK and list)")
        found += [_cells(one) for one in page["list"]]
    return found


def _cells(row: Any) -> dict[str, Any]:
    if not isinstance(row, list) or not all(isinstance(one, dict) and "column" in one for one in row):
        raise DictionaryRefused("a row is no list of column and value")
    return {str(one["column"]): one.get("value") for one in row}


def _entries(number: str, rows: list[dict[str, Any]]) -> tuple[Entry, ...]:
    code, name = COLUMNS.get(number, ("ID", "NAME"))
    if not all(code in one and name in one for one in rows):
        raise DictionaryRefused(f"a row without {code} or {name}; columns are {sorted(rows[0])[:20]}")
    found: dict[str, Entry] = {}
    for at, row in enumerate(rows):
        one = _entry(row, code, name, at)
        if one.code and one.name and found.setdefault(one.code, one).name != one.name:
            raise DictionaryRefused(f"code {one.code!r} stands for two names")
    return tuple(sorted(found.values(), key=lambda one: (one.position, one.code)))


def _entry(row: dict[str, Any], code: str, name: str, at: int) -> Entry:
    said = tidy_text(str(row[code] if row[code] is not None else "")).strip()
    words = " ".join(tidy_text(str(row[name] if row[name] is not None else "")).split())
    if max(len(said), len(words)) > MAX_TEXT:
        raise DictionaryRefused(f"a value is longer than {MAX_TEXT} characters")
    # A name is written into documents that people sign: they must see what stands there.
    if refused_character(said) is not None or refused_character(words) is not None:
        raise DictionaryRefused(f"a character in row {at + 1} that no document may carry")
    extra = {
        str(key)[:100].replace("\0", ""): str(value)[:MAX_TEXT].replace("\0", "")
        for key, value in row.items()
        if key not in (code, name) and value is not None
    }
    return Entry(code=said, name=words, position=_position(row, said, at), ended=_ended(row), extra=extra)


def _position(row: dict[str, Any], code: str, at: int) -> int:
    for said in (row.get("SORT"), row.get("ORDER"), code):
        if said is not None and re.fullmatch(r"[0-9]{1,8}", str(said)):
            return int(said)
    return at


def _ended(row: dict[str, Any]) -> date | None:
    for column in _ENDS:
        if row.get(column):
            return _day(str(row[column]))
    return date.min if str(row.get("ACTUAL", "1")).lower() in {"0", "false", "нет"} else None


def _day(said: str) -> date | None:
    for shape in ("%d.%m.%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(said[:10], shape).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None
