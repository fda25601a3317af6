"""The catalogues: complete in both languages, and nothing shown that is not in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from consilium import commands, errors, events, model
from consilium.rules import codes, kinds
from consilium.rules.request import REQUIRED_TO_SEND
from consilium.seal.reasons import REASONS
from web import remedies
from web.i18n import LANGUAGES, ZONE, texts

WEB = Path(__file__).resolve().parents[2] / "web"
PLACE = re.compile(r"{(\w+)}")
LITERAL = re.compile(r"""\bt\(\s*["']([a-z_.0-9/]+)["']\s*[,)]""")
FORMS = {"ru": {"one", "few", "many", "other"}, "en": {"one", "other"}}


def places(entry: object) -> set[str]:
    values = entry.values() if isinstance(entry, dict) else [entry]
    return {place for value in values for place in PLACE.findall(str(value))}


def test_both_catalogues_have_the_same_keys_and_places() -> None:
    ru, en = texts("ru").entries, texts("en").entries
    assert set(ru) == set(en)
    assert [key for key in ru if places(ru[key]) != places(en[key])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_plural_has_the_forms_of_its_language(language: str) -> None:
    entries = texts(language).entries
    wrong = [
        key for key, entry in entries.items() if isinstance(entry, dict) and set(entry) != FORMS[language]
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_code_has_a_sentence_and_one_that_needs_no_details(language: str) -> None:
    t = texts(language)
    for code in errors.CODES:
        assert t.has(f"error.{code}"), code
        if places(t.entries[f"error.{code}"]):
            assert t.has(f"error.{code}.plain"), code
            assert not places(t.entries[f"error.{code}.plain"])


def wanted() -> set[str]:
    """Keys that are put together from codes of the domain."""
    keys = {f"request.{one}" for one in model.CaseStatus} | {
        f"consilium.{one}" for one in model.ConsiliumStatus
    }
    keys |= {f"item.{one}" for one in model.ItemStatus} | {f"protocol.{one}" for one in model.ProtocolStatus}
    keys |= {f"signature.{one}" for one in model.SignatureStatus}
    keys |= {f"{area}.{one}" for area in ("filing", "filing.line") for one in model.FilingStatus}
    keys |= {f"kind.{one}{end}" for one in kinds.KINDS for end in ("", ".short", ".about")}
    keys |= {f"role.{one}" for one in kinds.ROLES} | {f"script.does.{one}" for one in kinds.ROLES}
    keys |= {f"urgency.{one}" for one in codes.URGENCIES} | {
        f"refusal.{one}" for one in codes.REFUSAL_REASONS
    }
    keys |= {f"event.{one}" for one in events.EVENTS} | {f"field.{one}" for one in REQUIRED_TO_SEND}
    kind_of_document = commands.AttachDocument.__annotations__["kind"]
    names = (
        get_args(kind_of_document)
        if not isinstance(kind_of_document, str)
        else re.findall(r'"(\w+)"', kind_of_document)
    )
    return keys | {f"document.{one}" for one in names}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_the_domain_has_a_word(language: str) -> None:
    t = texts(language)
    assert sorted(key for key in wanted() if not t.has(key)) == []


def test_every_key_that_a_template_or_a_page_names_is_there() -> None:
    t, sources = (
        texts("ru"),
        [*WEB.glob("templates/**/*.html"), *WEB.glob("*.py"), *WEB.glob("pages/*.py"), *WEB.glob("api/*.py")],
    )
    named = {key for file in sources for key in LITERAL.findall(file.read_text())}
    assert len(named) > 200
    assert sorted(key for key in named if not t.has(key)) == []


def test_every_key_that_a_script_of_a_page_names_is_there() -> None:
    t, sources = texts("ru"), [*WEB.glob("client/pages/*.ts"), *WEB.glob("client/pages/shared/*.ts")]
    named = {key for file in sources for key in LITERAL.findall(file.read_text())}
    assert named
    assert sorted(key for key in named if not t.has(f"script.{key}")) == []


@pytest.mark.parametrize(
    "count, said",
    [
        (1, "1 случай"),
        (2, "2 случая"),
        (5, "5 случаев"),
        (11, "11 случаев"),
        (21, "21 случай"),
        (102, "102 случая"),
    ],
)
def test_russian_counts_as_russian_does(count: int, said: str) -> None:
    assert texts("ru")("consilium.cases", count=count) == said


def test_times_are_shown_in_the_zone_of_the_installation() -> None:
    moment = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    ru, en = texts("ru"), texts("en")
    assert ru.moment(moment) == "24 нояб. 2026, 01:30"
    assert ru.moment(moment.isoformat()) == ru.moment(moment)
    assert "24 Nov 2026, 01:30" in en.moment(moment)
    assert ru.full_moment(moment).endswith("UTC+03:00")
    assert ru.near(moment + timedelta(days=10), moment) == "через 10 дней"
    assert en.near(moment - timedelta(hours=5), moment) == "5 hours ago"
    assert ru.moment(None) == ru.near("", moment) == ""


def test_a_certificate_without_an_end_has_a_date_to_show() -> None:
    """RFC 5280 4.1.2.5: the calendar's last second, which our zone does not have."""
    endless = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert texts("ru").moment(endless.isoformat()) == "31 дек. 9999, 23:59"
    assert "9999" in texts("en").day(endless)


def test_sizes_are_told_in_words_of_the_language() -> None:
    assert texts("ru").size(1536) == "1,5 КБ"
    assert texts("en").size(3 * 2**20) == "3 MB"


def test_the_room_and_the_pages_show_the_same_wall_clock() -> None:
    words = (WEB / "client" / "live" / "words.ts").read_text(encoding="utf-8")
    assert f'const ZONE = "{ZONE.key}";' in words


def test_every_refused_signature_has_a_next_step_in_words() -> None:
    assert set(remedies.WAYS) - {"SIGNED_BEFORE_FREEZE"} <= set(REASONS)
    for language in LANGUAGES:
        t = texts(language)
        for reason in REASONS:
            way = remedies.remedy(t, reason)
            assert " " in way if way else t.has(f"error.signature_refused.{reason}"), reason
