"""How this program logs: one line per event, a static name, then key=value.

    log = logging.getLogger(__name__)
    log.info("room.opened", extra={"room": room_id, "case": case_id})

    2026-01-01T10:00:00.123Z INFO signaling.session room.opened request=5f1c room=8f3a case=77

Ids, never objects: a patient's name, a diagnosis, a vote, a ticket or SDP do not belong here. A field
whose name says that it holds one of these is withheld, which mends an accident and permits nothing.
Whatever a stranger sent cannot start a line or colour a terminal: control characters leave escaped, and
every line of a stack trace is marked with a bar.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

WITHHELD = frozenset(
    [
        "answer",
        "authorization",
        "ballot_choice",
        "birth_date",
        "body",
        "candidate",
        "choice",
        "cookie",
        "diagnosis",
        "document_text",
        "family_name",
        "full_name",
        "offer",
        "opinion",
        "passphrase",
        "password",
        "patient",
        "patient_name",
        "pin",
        "private_key",
        "sdp",
        "secret",
        "snils",
        "text",
        "ticket",
        "token",
        "vote",
    ]
)

# Libraries whose INFO lines carry payloads, arguments or addresses: what they say belongs to no log of ours.
LOUD = ("aioice", "aiortc", "alembic", "asyncio", "celery", "engineio", "kombu", "socketio", "urllib3")

_request: ContextVar[str | None] = ContextVar("request", default=None)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
# C0, DEL, C1 and the Unicode line breaks and direction marks: what could fake a line or reorder one.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[^\s\"'=\\]+")


@contextmanager
def bound(request: str) -> Iterator[None]:
    """Every record logged inside carries `request=...`; nests, and follows tasks and copied contexts."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send everything of this process to `stream` (standard error) in the house format; call once at start."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in LOUD:
        logging.getLogger(name).setLevel("WARNING")


class KeyValueFormatter(logging.Formatter):
    """Records to lines; shared by the edge, the media worker's launcher and Celery."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = f"{seconds}.{int(record.msecs):03d}Z {record.levelname} {record.name} {escape(record.getMessage())}"
        line = " ".join([head, *(f"{key}={_shown(key, value)}" for key, value in _fields(record))])
        return line + _stack(self, record)


def escape(text: str) -> str:
    r"""The same text with every character that could break a line or steer a terminal as \xNN or \uNNNN."""
    return _UNSAFE.sub(lambda found: _escaped(ord(found.group())), text)


def _escaped(point: int) -> str:
    named = {10: "\\n", 13: "\\r", 9: "\\t"}
    return named.get(point) or (f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}")


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    if request := _request.get():
        yield "request", request
    yield from ((key, value) for key, value in vars(record).items() if key not in _STANDARD)


def _shown(key: str, value: object) -> str:
    if key in WITHHELD:
        return "[withheld]"
    if isinstance(value, bool) or value is None or isinstance(value, int | float):
        return json.dumps(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and not _UNSAFE.search(text):
        return text
    return escape(json.dumps(text, ensure_ascii=False))


def _stack(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    lines = formatter.formatException(record.exc_info).split("\n")
    return "".join(f"\n  | {escape(line)}" for line in lines)
