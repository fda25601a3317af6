"""A log line is one line, whatever a stranger put into it, and holds no secrets."""

import io
import logging

import pytest

from consilium import log


@pytest.fixture
def written():
    """A logger of its own in the house format and the text it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.KeyValueFormatter())
    logger = logging.Logger("room")  # noqa: LOG001  # outside the tree, so no other test hears it
    logger.addHandler(handler)
    return logger, stream


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\r\nb", "\x1b[31mred", "\x85", "\u2028", "\u202etxt", "\x9b31m", "a\tb"]
)
def test_nothing_sent_by_a_stranger_breaks_a_line_or_steers_a_terminal(written, hostile):
    logger, stream = written
    logger.info("chat.refused", extra={"field": hostile})
    logger.info(hostile)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3
    assert not set("\r\x1b\x85\u2028\u202e\x9b\t") & set(stream.getvalue())


def test_a_value_cannot_pretend_to_be_another_field(written):
    logger, stream = written
    logger.info("room.opened", extra={"room": "1 actor=chief"})
    assert stream.getvalue().rstrip().endswith('room="1 actor=chief"')


def test_the_line_has_time_level_source_event_and_fields(written):
    logger, stream = written
    logger.warning(
        "room.closed",
        extra={"room": "8f", "seconds": 1.5, "clean": True, "reason": None, "note": "две части"},
    )
    moment, rest = stream.getvalue().rstrip().split(" ", 1)
    assert moment.endswith("Z") and "T" in moment
    assert rest == 'WARNING room room.closed room=8f seconds=1.5 clean=true reason=null note="две части"'


@pytest.mark.parametrize("name", ["patient_name", "diagnosis", "vote", "ticket", "sdp", "password"])
def test_a_field_named_after_a_secret_is_withheld(written, name):
    logger, stream = written
    logger.info("vote.cast", extra={name: "Иванов"})
    assert "Иванов" not in stream.getvalue()
    assert f"{name}=[withheld]" in stream.getvalue()


def test_every_line_of_a_stack_is_marked(written):
    logger, stream = written
    try:
        raise ValueError("first\n2026-01-01T00:00:00.000Z INFO forged\x1b[2J")
    except ValueError:
        logger.exception("command.failed")
    first, *stack = stream.getvalue().rstrip("\n").split("\n")
    assert first.endswith("ERROR room command.failed")
    assert stack and all(line.startswith("  | ") for line in stack)
    assert "\x1b" not in stream.getvalue()


def test_the_request_id_is_on_every_line_inside_and_on_none_after(written):
    logger, stream = written
    with log.bound("5f1c"):
        logger.info("inside")
        with log.bound("77"):
            logger.info("nested")
        logger.info("inside again")
    logger.info("outside")
    ids = ["request=5f1c", "request=77", "request=5f1c", "room outside"]
    assert all(line.endswith(end) for line, end in zip(stream.getvalue().splitlines(), ids, strict=True))


def test_configure_replaces_what_was_there():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        stream = io.StringIO()
        log.configure("debug", stream)
        log.configure("warning", stream)
        logging.getLogger("x").info("quiet")
        logging.getLogger("celery.app.trace").info("args of a task")
        logging.getLogger("x").warning("loud")
        assert stream.getvalue().count("\n") == 1
    finally:
        root.handlers[:], root.level = before, level
