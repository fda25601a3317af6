"""Texts a person reads: two flat catalogues (`locale/ru.json`, `locale/en.json`), one key, one meaning.

    t = texts("ru")
    t("consilium.cases", count=3)  ->  «3 случая»

A value is a sentence with `{name}` places, or a table by CLDR plural category chosen by `count`. Nothing is
ever formatted by the caller's language rules. Dates and numbers follow the locale; wall-clock times follow ZONE.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_decimal

log = logging.getLogger(__name__)

Language = Literal["ru", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOCALE_DIR = Path(__file__).parent / "locale"
ZONE = ZoneInfo("Europe/Moscow")

Entry = str | Mapping[str, str]

SIZES = (
    ("size.bytes", 2**10),
    ("size.kilobytes", 2**20),
    ("size.megabytes", 2**30),
    ("size.gigabytes", 2**40),
)


class Texts:
    """One language: sentences, plurals, dates, sizes. Callable: `t(key, **params)`."""

    def __init__(self, language: Language, entries: Mapping[str, Entry]) -> None:
        self.language = language
        self.entries = entries
        self.locale = Locale(language, "RU") if language == "ru" else Locale(language, "GB")

    def __call__(self, key: str, **params: Any) -> str:
        """The sentence of `key`. A key that is not there comes back itself, and the log says so."""
        entry = self.entries.get(key)
        if entry is None:
            log.warning("text.missing", extra={"key": key, "language": self.language})
            return key
        text = entry if isinstance(entry, str) else self._plural(entry, params.get("count", 0))
        return text.format_map(params) if params else text

    def has(self, key: str) -> bool:
        """Whether the catalogue knows the key."""
        return key in self.entries

    def part(self, prefixes: Iterable[str]) -> dict[str, Entry]:
        """Every entry under these prefixes, for scripts of a page."""
        wanted = tuple(prefixes)
        return {key: entry for key, entry in self.entries.items() if key.startswith(wanted)}

    def day(self, value: date | datetime | str | None) -> str:
        """«23 ноября 2026 г.»; empty for nothing."""
        moment = _parsed(value)
        if moment is None:
            return ""
        return format_date(_local(moment), "long", locale=self.locale)

    def short_day(self, value: date | datetime | str | None) -> str:
        """«23.11.2026»."""
        moment = _parsed(value)
        return "" if moment is None else format_date(_local(moment), "dd.MM.y", locale=self.locale)

    def clock(self, value: datetime | str | None) -> str:
        """«14:05»."""
        moment = _parsed(value)
        return "" if moment is None else format_time(_local(moment), "HH:mm", locale=self.locale)

    def moment(self, value: datetime | str | None) -> str:
        """«23 нояб. 2026 г., 14:05»."""
        moment = _parsed(value)
        if moment is None:
            return ""
        return format_datetime(_local(moment), "d MMM y, HH:mm", locale=self.locale)

    def full_moment(self, value: datetime | str | None) -> str:
        """With seconds and zone, for a title: «23.11.2026 14:05:10 МСК (UTC+03:00)»."""
        moment = _parsed(value)
        if not isinstance(moment, datetime):
            return ""
        local = _local(moment)
        offset = local.strftime("%z")
        return f"{local.strftime('%d.%m.%Y %H:%M:%S')} UTC{offset[:3]}:{offset[3:]}"

    def form_moment(self, value: datetime | str | None) -> str:
        """For an `<input type="datetime-local">`, in ZONE."""
        moment = _parsed(value)
        return _local(moment).strftime("%Y-%m-%dT%H:%M") if isinstance(moment, datetime) else ""

    def near(self, value: datetime | str | None, at: datetime) -> str:
        """«через 2 часа», «3 дня назад»: what a list shows; the title carries the exact time."""
        moment = _parsed(value)
        if not isinstance(moment, datetime):
            return ""
        return format_timedelta(moment - at, add_direction=True, locale=self.locale, threshold=2)

    def lasting(self, value: timedelta) -> str:
        """«2 часа»."""
        return format_timedelta(value, locale=self.locale, threshold=2)

    def size(self, count: int) -> str:
        """«1,4 МБ»."""
        for unit, limit in SIZES:
            if count < limit or unit == "size.gigabytes":
                value = count * 2**10 / limit
                return self(unit, number=format_decimal(round(value, 1), locale=self.locale))
        raise AssertionError(count)

    def _plural(self, entry: Mapping[str, str], count: float) -> str:
        return entry.get(self.locale.plural_form(abs(count))) or entry["other"]


@cache
def texts(language: Language) -> Texts:
    """The catalogue of a language, read once."""
    entries = json.loads((LOCALE_DIR / f"{language}.json").read_text(encoding="utf-8"))
    return Texts(language, entries)


def known(language: str | None) -> Language | None:
    """The language if it is one of ours."""
    return "ru" if language == "ru" else "en" if language == "en" else None


def preferred(accept: str, default: Language) -> Language:
    """The first of ours in an Accept-Language header; weights are ignored, order decides."""
    for part in accept.split(",")[:10]:
        if found := known(part.strip().partition(";")[0].partition("-")[0].lower()):
            return found
    return default


def _parsed(value: date | datetime | str | None) -> date | datetime | None:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)


def _local(value: date | datetime) -> Any:
    """In our zone. Certificates "without an end" (RFC 5280 4.1.2.5) name the calendar's last second: it stays itself."""
    try:
        return value.astimezone(ZONE) if isinstance(value, datetime) else value
    except OverflowError:
        return value
