"""A filing ends registered, rejected or dead, whatever order its events come in, and is never filed twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilium.directory.installed import folder_of
from consilium.filing import codes, states
from consilium.filing.advice import GROUPS
from consilium.filing.codes import Remedy
from consilium.filing.port import (
    Acknowledgement,
    Pending,
    Registered,
    RegistryBroken,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    Rejected,
)
from consilium.filing.states import FilingState, Status
from consilium.settings import Settings

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NUMBER = Registered(emdr_id="77.26.11.23.000000001", at=AT)
ACK = Acknowledgement(message_id="m1")


def error(code: str) -> RegistryError:
    return RegistryError(code=code, number=0, message="")


def rejected(*found: str) -> Rejected:
    return Rejected(errors=tuple(error(code) for code in found))


def waiting() -> FilingState:
    return states.acknowledged(states.started(states.queued(AT), AT), ACK, AT)


def final(status: Status) -> FilingState:
    if status is Status.REGISTERED:
        return states.answered(waiting(), NUMBER, "m1", AT, 0.0)
    if status is Status.REJECTED:
        return states.answered(waiting(), rejected("NO_SNILS"), "m1", AT, 0.0)
    return states.failed(waiting(), RegistryRefused("no", "registry_access_denied"), AT, 0.0)


# What changes nothing


@pytest.mark.parametrize("status", [Status.REGISTERED, Status.REJECTED, Status.DEAD])
def test_a_final_state_ignores_attempts_failures_and_questions(status: Status) -> None:
    state = final(status)
    assert state.status is status
    assert state.final
    assert states.started(state, AT) is state
    assert states.acknowledged(state, ACK, AT) is state
    assert states.failed(state, RegistryUnavailable("away"), AT, 0.5) is state
    assert states.asked(state, None, AT, 0.5) is state
    assert not state.due(AT + timedelta(days=400))


def test_a_registered_document_cannot_be_rejected_renumbered_or_sent_again() -> None:
    state = final(Status.REGISTERED)
    other = Registered(emdr_id="77.26.11.23.000000002", at=AT)
    assert states.answered(state, other, "m2", AT, 0.0) is state
    assert states.answered(state, rejected("NO_SNILS"), "m1", AT, 0.0) is state
    assert states.send_again(state, AT) is state


def test_a_rejection_of_an_earlier_message_is_ignored() -> None:
    again = states.started(states.send_again(final(Status.REJECTED), AT), AT)
    second = states.acknowledged(again, Acknowledgement(message_id="m2"), AT)
    assert states.answered(second, rejected("NO_SNILS"), "m1", AT, 0.0) is second


def test_the_same_rejection_twice_counts_once_even_when_it_is_retried() -> None:
    once = states.answered(waiting(), rejected("RATE_LIMIT"), "m1", AT, 0.0)
    assert once.status is Status.QUEUED
    assert states.answered(once, rejected("RATE_LIMIT"), "m1", AT, 0.0) is once


@pytest.mark.parametrize("registering", [False, True])
def test_a_rejection_told_again_weeks_later_is_not_the_next_messages(registering: bool) -> None:
    """Callbacks come twice and late (regulation 5.1): the first message's, when the third is about to be sent."""
    state = waiting()
    for message in ("m1", "m2"):
        state = states.acknowledged(states.started(state, AT), Acknowledgement(message_id=message), AT)
        state = states.answered(state, rejected("NO_SNILS"), message, AT, 0.0)
        assert state.status is Status.REJECTED
        state = states.send_again(state, AT)
    if registering:
        state = states.started(state, AT)
    for message in ("m1", "m2"):
        assert states.answered(state, rejected("NO_SNILS"), message, AT, 0.0) is state
    assert states.answered(state, rejected("NO_SNILS"), "m3", AT, 0.0).status is Status.REJECTED


def test_an_acknowledgement_that_comes_after_the_answer_changes_nothing() -> None:
    state = states.answered(states.started(states.queued(AT), AT), NUMBER, "m1", AT, 0.0)
    assert state.status is Status.REGISTERED
    assert states.acknowledged(state, ACK, AT) is state


# What ends it


def test_an_absence_of_a_day_is_waited_out_and_one_of_weeks_is_a_dead_letter() -> None:
    state = states.started(states.queued(AT), AT)
    day = states.failed(state, RegistryUnavailable("away"), AT + timedelta(days=1), 0.5)
    assert day.status is Status.QUEUED
    weeks = states.failed(day, RegistryUnavailable("away"), AT + timedelta(days=16), 0.5)
    assert (weeks.status, weeks.reason, weeks.next_try) == (Status.DEAD, "registry_unavailable", None)


def test_silence_for_fifteen_days_is_a_dead_letter() -> None:
    late = AT + timedelta(days=15, seconds=1)
    state = states.asked(waiting(), Pending(message_id="m1"), late, 0.5)
    assert (state.status, state.reason) == (Status.DEAD, "registry_silent")


def test_garbage_is_a_dead_letter_after_five_times_and_an_absence_between_starts_the_count_anew() -> None:
    state = states.started(states.queued(AT), AT)
    for _ in range(states.BROKEN_LIMIT - 1):
        state = states.failed(state, RegistryBroken("garbage"), AT, 0.5)
    relieved = states.failed(state, RegistryUnavailable("away"), AT, 0.5)
    assert states.failed(relieved, RegistryBroken("garbage"), AT, 0.5).status is Status.QUEUED
    assert states.failed(state, RegistryBroken("garbage"), AT, 0.5).status is Status.DEAD


def test_a_final_answer_ends_even_a_dead_letter() -> None:
    dead = final(Status.DEAD)
    assert states.answered(dead, NUMBER, "m1", AT, 0.0).status is Status.REGISTERED
    assert states.answered(dead, rejected("NO_SNILS"), "m1", AT, 0.0).status is Status.REJECTED


@pytest.mark.parametrize(
    "found, status",
    [
        (("RATE_LIMIT",), Status.QUEUED),
        (("RATE_LIMIT", "MIS_NOT_AVAILABLE"), Status.QUEUED),
        (("RATE_LIMIT", "NO_SNILS"), Status.REJECTED),
        (("NEVER_HEARD_OF",), Status.REJECTED),
    ],
)
def test_only_what_repeating_can_cure_is_repeated(found: tuple[str, ...], status: Status) -> None:
    assert states.answered(waiting(), rejected(*found), "m1", AT, 0.5).status is status


# When


@given(st.integers(0, 60), st.floats(0, 1, exclude_max=True))
def test_every_pause_is_between_five_seconds_and_half_an_hour(attempts: int, jitter: float) -> None:
    assert timedelta(seconds=5) <= states.back_off(attempts, jitter) <= timedelta(minutes=30)


def test_pauses_grow_and_spread() -> None:
    ceilings = [states.back_off(n, 1.0).total_seconds() for n in range(12)]
    assert ceilings[:5] == [5, 10, 20, 40, 80]
    assert ceilings[-1] == 1800
    assert states.back_off(8, 0.0) < states.back_off(8, 0.5) < states.back_off(8, 0.9)


def test_the_registrys_own_wish_is_respected_up_to_half_an_hour() -> None:
    state = states.started(states.queued(AT), AT)
    soon = states.failed(state, RegistryUnavailable("wait", retry_after=60), AT, 0.0)
    assert soon.next_try == AT + timedelta(seconds=60)
    never = states.failed(state, RegistryUnavailable("wait", retry_after=99_999), AT, 0.0)
    assert never.next_try == AT + timedelta(minutes=30)


def test_a_worker_that_died_while_registering_is_not_waited_for() -> None:
    state = states.started(states.queued(AT), AT)
    assert not state.due(AT)
    assert state.due(AT + states.REGISTERING_LIMIT)
    assert states.started(state, AT).attempts == 2


def test_a_registry_that_forgot_is_told_again() -> None:
    state = states.asked(waiting(), None, AT, 0.5)
    assert (state.status, state.due(AT)) == (Status.QUEUED, True)


def test_sending_again_starts_anew_and_forgets_the_old_message() -> None:
    state = states.send_again(final(Status.DEAD), AT + timedelta(days=20))
    assert (state.status, state.attempts, state.message_id) == (Status.QUEUED, 0, "")
    assert state.due(AT + timedelta(days=20))


# Any order

EVENTS = st.one_of(
    st.just(lambda s, at, j: states.started(s, at)),
    st.sampled_from(["m1", "m2"]).map(lambda m: lambda s, at, j: states.acknowledged(s, Acknowledgement(message_id=m), at)),
    st.just(lambda s, at, j: states.failed(s, RegistryUnavailable("away"), at, j)),
    st.just(lambda s, at, j: states.failed(s, RegistryBroken("garbage"), at, j)),
    st.sampled_from([None, Pending(message_id="m1"), NUMBER, rejected("NO_SNILS"), rejected("RATE_LIMIT")]).map(
        lambda f: lambda s, at, j: states.asked(s, f, at, j)
    ),
    st.tuples(st.sampled_from([NUMBER, rejected("NO_SNILS"), rejected("RATE_LIMIT")]), st.sampled_from(["m1", "m2"])).map(
        lambda pair: lambda s, at, j: states.answered(s, pair[0], pair[1], at, j)
    ),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=25), st.floats(0, 1, exclude_max=True))
def test_no_order_of_events_loses_a_number_or_leaves_a_filing_without_a_next_step(
    events: list, jitter: float
) -> None:
    state = states.queued(AT)
    at = AT
    for event in events:
        at += timedelta(minutes=7)
        after = event(state, at, jitter)
        if state.status is Status.REGISTERED:
            assert after is state
        state = after
        assert state.final == (state.next_try is None)
        assert (state.status is Status.REGISTERED) == bool(state.emdr_id)
        assert (state.status is Status.REJECTED) <= bool(state.errors)
    assert states.answered(state, NUMBER, "m9", at, jitter).status is Status.REGISTERED


# Words


def test_every_piece_of_advice_speaks_both_languages() -> None:
    for one in (*codes.ADVICE.values(), *codes.OURS.values(), codes.advice("NEVER_HEARD_OF")):
        assert any("а" <= char <= "я" for char in one.ru)
        assert one.ru.endswith(".")
        assert one.en.endswith(".")


def test_an_unknown_code_goes_to_the_administrator() -> None:
    found = codes.explain(RegistryError(code="NEVER_HEARD_OF", number=9, message="Слова реестра"))
    assert (found.remedy, found.official) == (Remedy.ADMINISTRATOR, "Слова реестра")


def dictionary(semd_dir: Path) -> list[dict]:
    return json.loads((semd_dir / "nsi" / "99.2.305_remd_message_codes.json").read_text(encoding="utf-8"))


@pytest.mark.needs_semd
def test_none_of_the_127_published_codes_falls_through_and_none_is_invented(semd_dir: Path) -> None:
    rows = dictionary(semd_dir)
    assert len(rows) == 127
    assert set(codes.ADVICE) == {row["code"] for row in rows}
    assert all(codes.advice(row["code"]) is not codes.UNKNOWN for row in rows)


@pytest.mark.needs_semd
def test_what_other_services_of_the_registry_answer_is_never_repeated(semd_dir: Path) -> None:
    foreign = [row["code"] for row in dictionary(semd_dir) if row["contour"] != "регистрация СЭМД"]
    assert len(foreign) == 29
    assert {codes.advice(code).remedy for code in foreign} == {Remedy.ADMINISTRATOR}


@pytest.mark.needs_semd
def test_the_official_words_stand_beside_ours(semd_dir: Path) -> None:
    found = codes.explain(error("NO_SNILS"), codes.official_texts(semd_dir))
    assert found.official == "Наличие СНИЛС пациента не соответствует требованиям вида документов"


def test_a_code_stands_in_one_group_alone() -> None:
    listed = [code for _, group in GROUPS for code in group.split()]
    assert len(listed) == len(set(listed)) == len(codes.ADVICE)


def test_without_the_folder_the_registrys_own_words_stand() -> None:
    assert codes.official_texts(None) == {}
    assert codes.official_texts(Path("/nonexistent")) == {}


def test_what_was_installed_speaks_without_any_setting(tmp_path: Path) -> None:
    settings = Settings.from_environment({"CONSILIUM_DATA_DIR": str(tmp_path), "CONSILIUM_DEMO": "1"})
    assert codes.official_texts(folder_of(settings)) == {}
    nsi = tmp_path / "semd" / "nsi"
    nsi.mkdir(parents=True)
    words = nsi / "99.2.305_remd_message_codes.json"
    words.write_text('[{"code": "NO_SNILS", "id": 22, "text": "Нет СНИЛС"}]', encoding="utf-8")
    assert codes.official_texts(folder_of(settings)) == {"NO_SNILS": "Нет СНИЛС"}
    words.write_text('{"rows": "cut off', encoding="utf-8")
    assert codes.official_texts(folder_of(settings)) == {}
