"""The shared draft: merges, bounds, and what is no update."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text

from consilium import drafts
from consilium.errors import Invalid
from tests.people import typed

FIRST = drafts.initial({"reasons": "Причины.", "decision": "Решение."})


def update_of(section: str, text: str, known: list[bytes] | None = None) -> bytes:
    return base64.b64decode(typed(known or [], section, text))


@pytest.mark.parametrize(
    "update",
    [
        "",
        "AA==",
        "не base64",
        "////",
        base64.b64encode(FIRST[:-3]).decode(),
        base64.b64encode(b"x" * 40).decode(),
    ],
    ids=["empty", "no_update", "not_base64", "junk", "cut_short", "letters"],
)
def test_what_is_no_update_is_refused(update):
    with pytest.raises(Invalid) as refused:
        drafts.check([FIRST], drafts.decoded(update))
    assert refused.value.code == "invalid_field"


@pytest.mark.parametrize("update", ["80808071", "ffffffff0f", "ffffffffffffffff7f", "05010203"])
def test_an_update_that_asks_for_more_room_than_it_fills_is_refused_at_once(update):
    began = time.thread_time()
    with pytest.raises(Invalid):
        drafts.check([FIRST], bytes.fromhex(update))
    assert time.thread_time() - began < 0.5, "seconds of this thread's processor time"


def test_an_update_that_changes_nothing_is_refused():
    with pytest.raises(Invalid):
        drafts.check([FIRST], b"\x00\x00")


def test_a_text_that_is_no_section_is_refused():
    with pytest.raises(Invalid):
        drafts.check([FIRST], update_of("votes", "за - 100"))


@pytest.mark.parametrize(
    "new,field",
    [(update_of("course", "я" * (drafts.MAX_TEXT + 1)), "course")],
)
def test_a_section_over_its_bound_is_refused_by_name(new, field):
    with pytest.raises(Invalid) as refused:
        drafts.check([FIRST], new)
    assert (refused.value.code, refused.value.details["field"]) == ("too_large", field)


def test_an_update_over_its_bound_is_refused_before_it_is_read():
    with pytest.raises(Invalid) as refused:
        drafts.decoded(base64.b64encode(b"\x01" * (drafts.MAX_UPDATE + 1)).decode())
    assert refused.value.code == "too_large"


def test_a_draft_does_not_grow_without_end():
    with pytest.raises(Invalid) as refused:
        drafts.check([b"\x00" * drafts.MAX_DRAFT], update_of("course", "ещё"))
    assert refused.value.details["field"] == "draft"


def test_a_section_of_another_kind_reads_as_no_text():
    document: Doc[Map] = Doc()
    document["reasons"] = Map({"a": "1"})
    assert drafts.texts([document.get_update()])["reasons"] == ""


def test_an_unknown_section_of_ours_is_a_fault():
    with pytest.raises(LookupError):
        drafts.initial({"votes": "за"})


def test_two_who_write_at_once_both_keep_their_words():
    chair, secretary = (
        update_of("course", "Болен с мая. ", [FIRST]),
        update_of("course", "Два курса. ", [FIRST]),
    )
    for order in ([FIRST, chair, secretary], [FIRST, secretary, chair], [secretary, chair, FIRST, chair]):
        text = drafts.texts(order)["course"]
        assert "Болен с мая. " in text
        assert "Два курса. " in text
    assert drafts.texts([FIRST, chair, secretary]) == drafts.texts([secretary, FIRST, chair])


def test_a_newcomer_starts_from_one_update_that_says_all():
    updates = [FIRST, update_of("state", "Удовлетворительное. ", [FIRST])]
    merged = drafts.merged(updates)
    drafts.check([], merged)
    assert drafts.texts([merged]) == drafts.texts(updates)
    assert drafts.decoded(drafts.encoded(merged)) == merged


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(drafts.SECTIONS), st.text(min_size=1, max_size=20)), max_size=8))
def test_updates_in_any_order_and_twice_give_the_same_texts(writes):
    updates = [FIRST]
    for section, text in writes:
        updates.append(update_of(section, text, updates))
    assert drafts.texts([*reversed(updates), *updates]) == drafts.texts(updates)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_taken_or_refused_and_never_worse(noise):
    document: Doc[Text] = Doc()
    document.apply_update(FIRST)
    try:
        drafts.check([FIRST], noise)
    except Invalid:
        return
    drafts.texts([FIRST, noise])
