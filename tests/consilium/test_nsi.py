"""Dictionaries come in editions: a new one changes new documents and never how an old one reads (AD-03)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consilium import bootstrap, clock, installing
from consilium.directory import nsi, nsi_files
from consilium.directory.installed import Installed, folder_of
from consilium.directory.nsi_files import DictionaryRefused
from consilium.documents.terms import BUILT_IN
from consilium.parts import Parts
from consilium.settings import Settings
from consilium.supervise import CannotStart

NUMBER = "11.1006"
OID = f"1.2.643.5.1.13.13.{NUMBER}"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    settings = Settings.from_environment(
        {"CONSILIUM_DEMO": "1", "CONSILIUM_DATA_DIR": str(tmp_path / "data")}
    )
    made = bootstrap.build(settings)
    yield made
    made.close()


def dictionary(version: str = "2.4", **names: str) -> dict[str, Any]:
    rows = [{"ID": code.lstrip("c"), "NAME": name} for code, name in (names or {"c1": "Тяжёлое"}).items()]
    return {"oid": OID, "version": version, "fullName": "Степень тяжести", "rows": rows}


def saved(folder: Path, content: object, name: str = f"{NUMBER}.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder / name


def test_a_new_edition_is_what_new_documents_say_and_the_old_one_still_reads(
    parts: Parts, tmp_path: Path
) -> None:
    assert parts.terms() is BUILT_IN
    installing.take_in(parts, saved(tmp_path, dictionary("2.4", c1="Тяжёлое", c9="Прежнее")))
    before = parts.terms()
    between = clock.now()
    installing.take_in(parts, saved(tmp_path, dictionary("2.10", c1="Тяжелое")))
    after = parts.terms()
    assert (before.version(NUMBER)[0], before.name(NUMBER, "1")) == ("2.4", "Тяжёлое")
    assert (after.version(NUMBER)[0], after.name(NUMBER, "1")) == ("2.10", "Тяжелое")
    with parts.store.read() as reader:
        old = nsi.edition(reader, NUMBER, "2.4")
        assert old is not None
        assert (old.name("9"), old.name("1")) == ("Прежнее", "Тяжёлое")
        assert nsi.edition(reader, NUMBER, "1.0") is None
        assert nsi.terms(reader, between).name(NUMBER, "9") == "Прежнее"
        assert nsi.terms(reader, between - timedelta(days=1)) is BUILT_IN


def test_versions_are_numbers_and_an_older_one_that_comes_later_changes_nothing(
    parts: Parts, tmp_path: Path
) -> None:
    for version in ("2.10", "2.9"):
        installing.take_in(parts, saved(tmp_path, dictionary(version)))
    assert parts.terms().version(NUMBER)[0] == "2.10"


def test_the_same_edition_again_changes_nothing_and_other_rows_under_its_version_are_refused(
    parts: Parts, tmp_path: Path
) -> None:
    first = installing.take_in(parts, saved(tmp_path, dictionary()))
    again = installing.take_in(parts, saved(tmp_path, dictionary()))
    other = installing.take_in(parts, saved(tmp_path, dictionary(c1="Подменённое")))
    assert (first.refused, again.refused, other.refused) == (0, 0, 1)
    assert parts.terms().name(NUMBER, "1") == "Тяжёлое"


def test_an_import_in_another_process_is_seen(parts: Parts, tmp_path: Path) -> None:
    mine = Installed(parts.settings, parts.store)
    assert mine.terms() is BUILT_IN
    installing.take_in(parts, saved(tmp_path, dictionary("3.1")))
    assert mine.terms().version(NUMBER)[0] == "3.1"
    assert mine.terms() is mine.terms()


def test_inside_a_transaction_the_terms_come_through_its_own_connection(parts: Parts, tmp_path: Path) -> None:
    installing.take_in(parts, saved(tmp_path, dictionary()))
    with parts.store.write(clock.now()) as tx:
        assert parts.terms(tx).version(NUMBER)[0] == "2.4"


def test_what_was_imported_goes_before_the_folder(parts: Parts, tmp_path: Path) -> None:
    saved(tmp_path / "semd" / "nsi", dictionary("2.4"))
    here = replace(parts.settings, semd_dir=tmp_path / "semd")
    assert Installed(here, parts.store).terms().version(NUMBER)[0] == "2.4"
    installing.take_in(parts, saved(tmp_path, dictionary("2.5")))
    assert Installed(here, parts.store).terms().version(NUMBER)[0] == "2.5"


def test_what_ended_is_not_offered_any_more_and_still_has_its_name(parts: Parts, tmp_path: Path) -> None:
    content = dictionary(c1="Старое", c2="Новое", c3="Снятое")
    content["rows"][0]["DATA_END"] = "01.02.2020"
    content["rows"][2]["ACTUAL"] = "false"
    installing.take_in(parts, saved(tmp_path, content))
    found = parts.installed.dictionaries()[NUMBER]
    assert found.search("", 10, clock.now().date()) == [("2", "Новое")]
    assert found.name("1") == "Старое"


def test_a_row_is_found_by_every_word_and_the_one_that_begins_so_comes_first(
    parts: Parts, tmp_path: Path
) -> None:
    content = dictionary(c1="Детский онколог врач", c2="Врач-онколог", c3="Хирург")
    installing.take_in(parts, saved(tmp_path, content))
    found = parts.installed.dictionaries()[NUMBER]
    today = clock.now().date()
    assert [code for code, _ in found.search("врач", 10, today)] == ["2", "1"]
    assert [code for code, _ in found.search("онколог детский", 10, today)] == ["1"]
    assert found.search("врач", 1, today) == [("2", "Врач-онколог")]


def test_the_answer_of_the_port_is_read_with_its_passport(tmp_path: Path) -> None:
    rows = [[{"column": "ID", "value": "1"}, {"column": "NAME", "value": "Тяжёлое"}]]
    answer = {"result": "OK", "resultCode": 1, "total": 1, "list": rows}
    passport = {"oid": OID, "version": "2.4", "fullName": "Степень тяжести", "rowsCount": 1}
    alone = saved(tmp_path, [answer, {**answer, "list": [[{"column": "ID", "value": "2"}, rows[0][1]]]}])
    with pytest.raises(DictionaryRefused, match="passport"):
        nsi_files.read(alone)
    saved(tmp_path, passport, f"{NUMBER}.passport.json")
    together = saved(tmp_path, {"passport": passport, "data": answer}, "one.json")
    assert [one.code for one in nsi_files.read(alone).entries] == ["1", "2"]
    assert nsi_files.read(together).version == "2.4"
    assert [one.number for one in nsi.of_folder(tmp_path)[0]] == [NUMBER, NUMBER]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        {"oid": "1.2.3", "version": "1", "fullName": "x", "rows": [{"ID": "1", "NAME": "x"}]},
        {"oid": OID, "version": "1'; DROP", "fullName": "x", "rows": [{"ID": "1", "NAME": "x"}]},
        {"oid": OID, "version": "1.0", "fullName": "", "rows": [{"ID": "1", "NAME": "x"}]},
        {"oid": OID, "version": "1.0", "fullName": "x", "rows": []},
        {"oid": OID, "version": "1.0", "fullName": "x", "rows": [1]},
        {"oid": OID, "version": "1.0", "fullName": "x", "rows": [{"ID": "1"}]},
        {"oid": OID, "version": "1.0", "fullName": "x", "rows": [{"ID": "1", "NAME": "x" * 5000}]},
        {"oid": OID, "version": "1.0", "fullName": "x", "rows": [{"ID": "1", "NAME": "не \u202eтяжёлое"}]},
        {"oid": OID, "version": "1.0", "fullName": "x", "rows": [{"ID": "1\0", "NAME": "тяжёлое"}]},
        {"oid": OID, "version": "1.0", "fullName": "\u2066x", "rows": [{"ID": "1", "NAME": "x"}]},
        {
            "oid": OID,
            "version": "1.0",
            "fullName": "x",
            "rows": [{"ID": "1", "NAME": "x"}, {"ID": "1", "NAME": "y"}],
        },
        {
            "passport": {"oid": OID, "version": "1.0", "fullName": "x"},
            "data": {"result": "ERROR", "list": []},
        },
    ],
)
def test_what_is_no_dictionary_is_refused_with_a_reason(
    parts: Parts, tmp_path: Path, content: bytes | dict[str, Any]
) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    outcome = installing.take_in(parts, path)
    assert outcome.refused == 1
    assert parts.terms() is BUILT_IN


# Installing the official files


@pytest.mark.needs_semd
def test_the_official_files_are_installed_once_and_known_at_once(parts: Parts, semd_dir: Path) -> None:
    assert parts.official() is None
    first = installing.install(parts, semd_dir)
    again = installing.install(parts, semd_dir)
    official = parts.official()
    assert (first.refused, again.refused) == (0, 0)
    assert "уже установлено / already installed" in again.lines
    assert official is not None
    assert {"190", "40", "99"} <= set(official.guides)
    assert official.guides["190"].rules is not None
    assert parts.terms().name("11.1002", "50") == "Врач-онколог"
    assert len(list(parts.settings.data_dir.glob("*semd*"))) == 2  # the link and what it leads to


RULES = (
    '<schema xmlns="http://purl.oclc.org/dsdl/schematron"><pattern><rule context="a">'
    '<assert test="b">A1. x</assert></rule></pattern></schema>'
)
SCHEMA = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="{}"/>'
    '<xs:element name="a"/></xs:schema>'
)


def guide(folder: Path, rules: str = RULES, schema: str = "") -> Path:
    (folder / "guides" / "7").mkdir(parents=True)
    (folder / "guides" / "7.sch").write_text(rules)
    if schema:
        (folder / "guides" / "7" / "CDA.xsd").write_text(schema)
    return folder


def test_another_installation_takes_the_place_of_the_first_in_one_step(parts: Parts, tmp_path: Path) -> None:
    installing.install(parts, guide(tmp_path / "one"))
    link = folder_of(parts.settings)
    assert link is not None
    first = link.resolve()
    installing.install(parts, guide(tmp_path / "two", RULES.replace("A1", "A2")))
    assert link.is_symlink()
    assert link.resolve() != first
    assert not first.exists()
    official = parts.official()
    assert official is not None
    assert official.guides["7"].rules is not None
    assert official.guides["7"].rules.rules[0].checks[0].rule == "A2"


@pytest.mark.parametrize(
    "rules, schema",
    [
        ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><schema/>", ""),
        ("not xml", ""),
        (RULES.replace('test="b"', "test=\"doc('file:///etc/passwd')\""), ""),
        (RULES, SCHEMA.format("../../../outside.xsd")),
        (RULES, SCHEMA.format("http://127.0.0.1:9/x.xsd")),
        (RULES, SCHEMA.format("/etc/passwd")),
        (RULES, SCHEMA.format("..\\8\\x.xsd")),
        (RULES, SCHEMA.format("&#46;&#46;/8/x.xsd")),
        (RULES, SCHEMA.format("%2e%2e/8/x.xsd")),
        (RULES, SCHEMA.format("file&#58;///etc/passwd")),
        (RULES, SCHEMA.format("&#104;ttp&#x3a;//127.0.0.1:9/x.xsd")),
        ("<schema>&x;</schema>", ""),
    ],
)
def test_a_hostile_guide_is_left_out_and_told(parts: Parts, tmp_path: Path, rules: str, schema: str) -> None:
    outcome = installing.install(parts, guide(tmp_path / "bad", rules, schema))
    assert outcome.refused >= 1
    official = parts.official()
    loaded = official.guides.get("7") if official else None
    assert loaded is None or (loaded.rules is None) or (loaded.schema is None)


def test_links_are_not_followed_and_nothing_at_all_is_told(parts: Parts, tmp_path: Path) -> None:
    folder = tmp_path / "links"
    (folder / "guides").mkdir(parents=True)
    (folder / "guides" / "7.sch").symlink_to(guide(tmp_path / "real") / "guides" / "7.sch")
    (folder / "guides" / "8").symlink_to(tmp_path / "real" / "guides")
    outcome = installing.install(parts, folder)
    assert outcome.refused == 2
    assert parts.official() is None
    assert folder_of(parts.settings) is None


def test_a_folder_that_somebody_made_by_hand_is_not_taken_away(parts: Parts, tmp_path: Path) -> None:
    (parts.settings.data_dir / "semd").mkdir()
    with pytest.raises(CannotStart):
        installing.install(parts, guide(tmp_path / "one"))
