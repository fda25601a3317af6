"""The shared draft of a protocol: one Y.Doc, one Y.Text per prose section (PR-03).

The database keeps the updates as they came; a draft is all of them applied in any order, any number of
times. Nothing here is kept between calls. Bounds: MAX_TEXT characters a section, MAX_DRAFT bytes a draft.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping

from pycrdt import Doc, Text

from consilium.errors import Invalid

SECTIONS = ("reasons", "course", "state", "decision")
"""Names of the shared texts: the prose of 323-ФЗ ст. 48 ч. 4; the members come from attendance."""

MAX_TEXT = 40_000
MAX_UPDATE = 45_000
MAX_DRAFT = 4 * 1024 * 1024
LEAST_PER_CLIENT = 3
_EMPTY_UPDATE = b"\x00\x00"


def initial(sections: Mapping[str, str]) -> bytes:
    """The first update: these texts. Unknown names are refused with LookupError, a fault of ours."""
    document: Doc[Text] = Doc()
    for name, text in sections.items():
        if name not in SECTIONS:
            raise LookupError(f"{name!r} is not a section of the draft")
        _text(document, name).insert(0, text[:MAX_TEXT])
    return document.get_update()


def decoded(update: str) -> bytes:
    """An update as it travels (base64). Raises Invalid."""
    try:
        raw = base64.b64decode(update, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("invalid_field", field="update") from None
    if len(raw) > MAX_UPDATE:
        raise Invalid("too_large", field="update", limit=MAX_UPDATE)
    return raw


def encoded(update: bytes) -> str:
    """An update for the wire."""
    return base64.b64encode(update).decode()


def check(updates: Iterable[bytes], new: bytes) -> None:
    """Whether `new` may be appended to these. Raises Invalid: malformed, foreign, or over a bound.

    An update that waits for another one not yet here is taken: the CRDT puts it in its place later.
    """
    kept = list(updates)
    if new == _EMPTY_UPDATE or _clients(new) > len(new) // LEAST_PER_CLIENT:
        raise Invalid("invalid_field", field="update")
    if sum(map(len, kept)) + len(new) > MAX_DRAFT:
        raise Invalid("too_large", field="draft", limit=MAX_DRAFT)
    document = _applied(kept)
    _apply(document, new)
    foreign = sorted(set(document.keys()) - set(SECTIONS))
    if foreign:
        raise Invalid("invalid_field", field="update")
    for name in SECTIONS:
        if len(str(_text(document, name))) > MAX_TEXT:
            raise Invalid("too_large", field=name, limit=MAX_TEXT)


def _clients(update: bytes) -> int:
    """The number of clients an update says it is from: its first number (seven bits a byte, lowest first).

    The decoder makes room for that many before it reads on; four bytes could ask it for gigabytes.
    """
    number = 0
    for place, byte in enumerate(update[:5]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number
    return MAX_UPDATE


def rewritten(updates: Iterable[bytes], name: str, text: str) -> bytes:
    """The update that makes a section say this and nothing else."""
    document = _applied(updates)
    known = document.get_state()
    section = _text(document, name)
    with document.transaction():
        section.clear()
        section.insert(0, text)
    return document.get_update(known)


def merged(updates: Iterable[bytes]) -> bytes:
    """One update that says what all of them say: the state a newcomer starts from."""
    return _applied(updates).get_update()


def texts(updates: Iterable[bytes]) -> dict[str, str]:
    """What the sections say now; empty ones are empty strings."""
    document = _applied(updates)
    return {name: str(_text(document, name)) for name in SECTIONS}


def _applied(updates: Iterable[bytes]) -> Doc[Text]:
    document: Doc[Text] = Doc()
    for update in updates:
        _apply(document, update)
    return document


def _apply(document: Doc[Text], update: bytes) -> None:
    try:
        document.apply_update(update)
    except ValueError:
        raise Invalid("invalid_field", field="update") from None


def _text(document: Doc[Text], name: str) -> Text:
    return document.get(name, type=Text)
