"""Two catalogues, one meaning: the same keys and places, every key that is used, none that is not."""

import json
import re
import string
from functools import cache
from pathlib import Path

import pytest

from consilium.errors import CODES
from tests.conftest import ROOT

LOCALE = ROOT / "web" / "locale"
# CLDR plural categories that whole numbers can take in each language.
FORMS = {"ru": {"one", "few", "many", "other"}, "en": {"one", "other"}}
# area.key; what the domain names keeps its name: media_type.application/pdf, event.VoteCast
KEY = r"[a-z][a-z0-9_]*(?:\.[A-Za-z0-9_-]+(?:/[a-z0-9.+-]+)?)+"
# t("area.key"), t('area.key', …), t(`area.key`), texts.t("…"), data-t="area.key"
USED = re.compile(rf"\bt\(\s*[\"'`]({KEY})[\"'`]|\bdata-t=\"({KEY})\"")
# t("area." ~ x), t("area." + x), t(f"area.{x}"), t(`area.${{x}}`): something must stand under the prefix.
BEGUN = re.compile(r"\bt\(\s*f?[\"'`]([a-z][a-z0-9_]*\.(?:[a-z0-9_]+\.)*[a-z0-9_]*)(?:[\"'`]\s*[~+]|\$?\{)")
# `room.say.${x}` kept for a later t(…), with two names before the gap or one after it.
KEPT = re.compile(r"`([a-z][a-z0-9_]*\.[a-z0-9_]+\.)\$\{[^}]*\}`")
FRAMED = re.compile(r"`([a-z][a-z0-9_]*\.)\$\{[^}]*\}(\.[a-z0-9_]+)`")
# parts.status("filing", value) completes the area with the value
STATUS = re.compile(r"parts\.status\(\"([a-z_]+)\"")
SUFFIXES = {".py", ".html", ".j2", ".ts", ".tsx", ".ics", ".txt"}


def catalogue(language: str) -> dict[str, str | dict[str, str]]:
    def without_doubles(pairs):
        keys = [key for key, _ in pairs]
        doubled = {key for key in keys if keys.count(key) > 1}
        assert not doubled, f"twice in {language}.json: {doubled}"
        return dict(pairs)

    text = (LOCALE / f"{language}.json").read_text(encoding="utf-8")
    return json.loads(text, object_pairs_hook=without_doubles)


def sentences(entry: str | dict[str, str]) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry.values())


def places(entry: str | dict[str, str]) -> set[str]:
    """Names in braces; `count` chooses the plural form and need not be shown in each."""
    named = {name for text in sentences(entry) for _, name, _, _ in string.Formatter().parse(text) if name}
    return named - {"count"} if isinstance(entry, dict) else named


# Scripts of the pages outside the room get the sentences under this prefix and ask without it.
PAGE_SCRIPTS = ROOT / "web" / "client" / "pages"
PAGE_PREFIX = "script."


@cache
def sources() -> dict[Path, str]:
    """Everything that may ask for a text. i18n.py is what answers, and shows examples."""
    return {
        file: file.read_text(encoding="utf-8")
        for package in ("web", "signaling", "consilium")
        for file in sorted((ROOT / package).rglob("*"))
        if file.suffix in SUFFIXES
        and not {"node_modules", "dist", "test"} & set(file.parts)
        and not file.name.endswith(".test.ts")
        and file != ROOT / "web" / "i18n.py"
    }


def asked(pattern: re.Pattern[str]) -> set[str]:
    """What the pattern finds in every source, as the catalogue spells it."""
    return {
        key
        for file, text in sources().items()
        for found in pattern.findall(spelled_out(file, text))
        for key in ([found] if isinstance(found, str) else found)
        if key
    }


def spelled_out(file: Path, text: str) -> str:
    """A page script asks for `script.saved` as `saved`; here it says the whole key."""
    if PAGE_SCRIPTS not in file.parents:
        return text
    return re.sub(r"([\"'`])(?=[a-z][\w.]*(?:[\"'`]|\$\{))", rf"\1{PAGE_PREFIX}", text)


def used_keys() -> set[str]:
    return asked(USED)


def begun_keys() -> set[str]:
    return asked(BEGUN)


def test_both_catalogues_have_the_same_keys():
    assert set(catalogue("ru")) ^ set(catalogue("en")) == set()


def test_both_catalogues_have_the_same_places():
    ru, en = catalogue("ru"), catalogue("en")
    assert {key: (places(ru[key]), places(en[key])) for key in ru if places(ru[key]) != places(en[key])} == {}


@pytest.mark.parametrize("language", FORMS)
def test_every_plural_has_the_forms_of_its_language(language):
    wrong = {
        key: sorted(entry)
        for key, entry in catalogue(language).items()
        if isinstance(entry, dict) and set(entry) != FORMS[language]
    }
    assert wrong == {}


@pytest.mark.parametrize("language", FORMS)
def test_every_key_is_flat_and_every_text_is_tidy(language):
    entries = catalogue(language)
    assert [key for key in entries if not re.fullmatch(KEY, key)] == []
    # What is said of one answer of two may be nothing for the other.
    entries = {key: entry for key, entry in entries.items() if not key.endswith((".true", ".false"))}
    untidy = [
        key for key, entry in entries.items() for text in sentences(entry) if not text or text != text.strip()
    ]
    assert untidy == []


def test_no_russian_is_left_in_the_english_catalogue():
    left = {
        key
        for key, entry in catalogue("en").items()
        if re.search("[а-яё]", " ".join(sentences(entry)), re.IGNORECASE)
    }
    assert left <= {"language.ru"}


def test_every_key_that_is_asked_for_exists():
    assert used_keys() - set(catalogue("ru")) == set()


def test_something_stands_under_every_prefix_that_is_completed_at_run_time():
    keys = set(catalogue("ru"))
    assert {prefix for prefix in begun_keys() if not any(key.startswith(prefix) for key in keys)} == set()


def test_every_error_has_a_sentence():
    assert {code for code in CODES if f"error.{code}" not in catalogue("ru")} == set()


def test_no_text_is_left_that_nothing_asks_for():
    """A key counts as asked for when it stands anywhere in a source, or under a prefix completed at run time."""
    text = "\n".join(
        [
            *(spelled_out(*each) for each in sources().items()),
            (ROOT / "web" / "i18n.py").read_text(encoding="utf-8"),
        ]
    )
    areas = {f"{area}." for area in asked(STATUS)}
    known, begun = used_keys(), tuple(begun_keys() | asked(KEPT) | areas)
    framed = {pair for source in sources().values() for pair in FRAMED.findall(source)}
    dead = {
        key
        for key in catalogue("ru")
        if key not in known
        and not key.startswith(begun)
        and not any(key.startswith(head) and key.endswith(tail) for head, tail in framed)
        and not re.search(rf"[\"'`>]{re.escape(key)}\b", text)
    }
    assert dead == set(), sorted(dead)


def test_the_patterns_see_what_they_should():
    asked = """{{ t("a.b") }} {{ t('a.c', n=1) }} {t(`a.d`)} <i data-t="a.e"> start("no.key")"""
    assert {key for found in USED.findall(asked) for key in found if key} == {"a.b", "a.c", "a.d", "a.e"}
    begun = """t("error." ~ code) t(f"kind.{k}.name") t(`state.${s}`) t("list.x_" + y)"""
    assert BEGUN.findall(begun) == ["error.", "kind.", "state.", "list.x_"]


def test_the_locale_folder_holds_these_two_languages():
    assert {path.name for path in Path(LOCALE).glob("*.json")} == {"ru.json", "en.json"}
