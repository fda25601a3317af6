"""Hand-written code lists: what rules branch on, held against the official files where they are."""

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from consilium.commands import RefuseRequest, RequestFields
from consilium.directory import nsi
from consilium.rules import codes, kinds


@pytest.mark.parametrize(
    "kind,goal,allowed",
    [
        ("general", "13", False),
        ("commission", "5", False),
        ("consultation", "27", False),
        ("general", "99", False),
        ("general", "", False),
        ("general", "5", True),
        ("oncological", "30", True),
        ("commission", "27", True),
        ("commission", "10", True),
        ("consultation", "11", True),
    ],
)
def test_a_goal_belongs_to_the_body_the_dictionary_says(kind, goal, allowed):
    assert codes.goal_allowed(kind, goal) is allowed


def test_every_urgency_has_a_term_and_emergency_is_the_shortest():
    assert set(codes.DEADLINES) == set(codes.URGENCIES) == set(codes.URGENCY_ORDER)
    terms = [codes.DEADLINES[code] for code in codes.URGENCY_ORDER]
    assert terms == sorted(terms)


def test_commands_know_the_same_codes():
    assert words(RefuseRequest, "reason_code") == set(codes.REFUSAL_REASONS)
    assert words(RequestFields, "urgency_code") == set(codes.URGENCIES)
    assert words(RequestFields, "wants_kind") == set(kinds.KINDS)


def words(command: type, field: str) -> set[str]:
    """The words a field may hold."""
    options = [get_type_hints(command)[field]]
    while any(get_args(one) for one in options):
        options = [part for one in options for part in (get_args(one) or (one,))]
    return {one for one in options if isinstance(one, str)}


def test_every_role_has_a_role_of_a_signer():
    assert set(codes.SIGNER_ROLES) == set(kinds.ROLES)


def test_without_official_files_our_own_tables_answer(tmp_path):
    found = nsi.dictionary("11.1551", tmp_path)
    assert (found.official, found.name("2"), found.name("old")) == (False, "экстренная", "old")
    with pytest.raises(LookupError):
        nsi.dictionary("11.1002", tmp_path)
    assert nsi.search("11.1002", tmp_path, "онколог") == []


def test_a_broken_official_file_is_passed_over(tmp_path):
    (tmp_path / "nsi").mkdir()
    (tmp_path / "nsi" / "11.1551.json").write_text('{"rows": 7}')
    assert not nsi.dictionary("11.1551", tmp_path).official


@pytest.mark.needs_semd
def test_our_tables_say_what_the_official_files_say(semd_dir: Path):
    for number, (version, title, rows) in nsi.OWN.items():
        official = nsi.dictionary(number, semd_dir)
        assert official.official
        assert (official.version, official.title) == (version, title)
        assert {code: official.rows[code] for code in rows} == rows


@pytest.mark.needs_semd
def test_the_flags_of_every_goal_are_those_of_the_official_file(semd_dir: Path):
    rows = json.loads((semd_dir / "nsi" / "11.1506.json").read_text())["rows"]
    flags = {row["ID"]: (row["CONSULTATION"] == "true", row["COMMISSION"] == "true") for row in rows}
    assert {one.code: (one.consultation, one.commission) for one in codes.GOALS.values()} == flags


@pytest.mark.needs_semd
def test_a_post_is_found_by_a_part_of_its_name(semd_dir: Path):
    assert ("50", "Врач-онколог") in nsi.search("11.1002", semd_dir, "врач-онколог")
