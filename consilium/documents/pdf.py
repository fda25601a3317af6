"""The copy people print: PDF/A-1a made from the very bytes that were signed, with a signature sheet (SG-13).

Text and tables come from the frozen XML, never from the database; the sheet adds what the verified signatures say:
visible stamps, a QR code to the page that checks without a sign-in, and the words "copy of the electronic document".
The XML stays the original. Fonts are embedded, nothing is fetched. The same input gives the same bytes.

PDF/A-1 is what the registry's own rules for printable documents name. PDFBox Preflight holds it to PDF/A-1b in the tests
(ISO 19005-1); the tags that make it 1a have no validator here.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import segno

from consilium.documents.setting import pdf_of
from consilium.documents.view import Part, read_document

__all__ = ["Sheet", "Stamp", "columns", "fitting", "render_pdf"]

MOSCOW = timezone(timedelta(hours=3))
# Letters that fit side by side: the widest ones in a line of text, usual ones in a table over the whole page.
LINE, TABLE = 45, 92
BREAK = "\u200b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One visible stamp. `holder` as in the certificate; `role` in words; times aware; serial hexadecimal."""

    holder: str
    role: str
    serial: str
    issuer: str
    valid_from: datetime
    valid_until: datetime
    signed_at: datetime
    algorithm: str
    proven_at: datetime | None = None
    organisation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What stands after the text: the stamps in the order of signing, and where the file can be checked.

    `check_url` becomes the QR code; it may name the document and nothing about the patient. `flag` is a sentence
    that must not be missed (annulled), shown on every page.
    """

    stamps: tuple[Stamp, ...]
    check_url: str
    made_at: datetime
    flag: str = ""


def render_pdf(xml: bytes, sheet: Sheet) -> bytes:
    """PDF/A-1a of a frozen document, in Russian. Takes about 30 ms of CPU.

    Raises Invalid as `view.read_document`; Unavailable as `setting.pdf_of`.
    """
    read = read_document(xml)
    data = {
        "title": read.title,
        "digest": hashlib.sha256(xml).hexdigest(),
        "facts": [(label, fitting(value)) for label, value in read.facts],
        "chapters": [
            {"title": chapter.title, "parts": [_part(part) for part in chapter.parts]}
            for chapter in read.chapters
        ],
        "stamps": [_stamp(stamp) for stamp in sheet.stamps],
        "check_url": sheet.check_url,
        "qr": _qr(sheet.check_url),
        "flag": sheet.flag,
    }
    return pdf_of("copy.typ", data, sheet.made_at)


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], room: int = TABLE) -> list[int]:
    """How many letters each column of a table gets: its longest word first, the rest by its longest cell."""
    cells = list(zip(head, *rows, strict=True))
    least = [
        min(18, max(len(word) for cell in column for word in (*cell.split(), ""))) + 2 for column in cells
    ]
    wanted = [min(60, max(map(len, column))) + 2 for column in cells]
    more = [max(0, want - low) for want, low in zip(wanted, least, strict=True)]
    share = max(0.0, room - sum(least)) / max(1, sum(more))
    return [low + round(extra * share) for low, extra in zip(least, more, strict=True)]


def fitting(text: str, width: int = LINE) -> str:
    """The text with places where even a word without an end may be broken; Russian words are hyphenated anyway.

    `width`: how many usual letters fit; the widest take nearly twice the room.
    """
    return re.sub(
        rf"[^\sА-Яа-яЁё-]{{{max(4, width * 3 // 5)}}}(?=\S)|\S{{{LINE}}}(?=\S)", rf"\g<0>{BREAK}", text
    )


def _part(part: Part) -> dict[str, Any]:
    count = max((len(row) for row in (part.head, *part.rows)), default=0)
    head, *rows = ([*row, *[""] * (count - len(row))] for row in (part.head, *part.rows))
    widths = columns(head, rows)
    return {
        "caption": fitting(part.caption),
        "text": fitting(part.text),
        "head": head,
        "widths": widths,
        "rows": [[fitting(cell, width) for cell, width in zip(row, widths, strict=True)] for row in rows],
    }


def _stamp(stamp: Stamp) -> dict[str, Any]:
    return {
        "holder": fitting(stamp.holder),
        "role": stamp.role,
        "serial": stamp.serial,
        "issuer": fitting(stamp.issuer),
        "valid_from": _local(stamp.valid_from),
        "valid_until": _local(stamp.valid_until),
        "signed_at": _local(stamp.signed_at),
        "proven_at": _local(stamp.proven_at) if stamp.proven_at else "",
        "algorithm": stamp.algorithm,
        "organisation": stamp.organisation,
    }


def _qr(url: str) -> str:
    """SVG; quiet zone of four modules, as ISO 18004 asks."""
    target = io.BytesIO()
    segno.make(url, error="m", micro=False).save(target, kind="svg", border=4)
    return target.getvalue().decode()


def _local(moment: datetime) -> str:
    """Certificates "without an end" (RFC 5280 4.1.2.5) name the calendar's last second, which no other zone has."""
    try:
        return f"{moment.astimezone(MOSCOW):%d.%m.%Y %H:%M} МСК"
    except OverflowError:
        return f"{moment:%d.%m.%Y %H:%M} UTC"
