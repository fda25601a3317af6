"""Decide what a file is from its content alone, and refuse what could harm whoever opens it.

Run as a program of its own (`python -I inspect.py FILE`) so that a hostile file can at worst kill this process: two
seconds of CPU, 256 MB of address space, no files written. It prints one JSON line: {"ok": true, "media_type": ...}
or {"ok": false, "reason": ...}. The name and the declared type of an upload are never asked.

Kinds: application/pdf, image/png, image/jpeg, image/webp, text/plain (UTF-8). Reasons: see REASONS.
"""

from __future__ import annotations

import io
import json
import re
import resource
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

CPU_SECONDS = 2
MEMORY_BYTES = 256 * 1024 * 1024
MAX_PIXELS = 40_000_000  # A4 scanned at 600 dpi is 35 million
MAX_SIDE = 20_000
MAX_PDF_OBJECTS = 200_000
MAX_INFLATED = 48 * 1024 * 1024
MAX_TEXT = 4 * 1024 * 1024

REASONS: dict[str, str] = {
    "empty": "The file has no bytes.",
    "type": "Neither PDF, PNG, JPEG, WebP nor UTF-8 text.",
    "damaged": "The content breaks off or contradicts itself.",
    "trailing_data": "Something else follows the end of the document.",
    "polyglot": "The file is at the same time of another kind.",
    "too_many_pixels": "The image is larger than any screen or scanner needs.",
    "animated": "The image moves.",
    "pdf_encrypted": "The PDF is encrypted or needs a password.",
    "pdf_active": "The PDF carries scripts, embedded files or launches programs.",
    "pdf_too_complex": "The PDF has more objects than a reader should be asked to follow.",
    "text_control": "The text contains control characters.",
    "text_too_long": "The text is too long to be read as one document.",
    "resources": "The file needs too much memory or time to be read.",
}

_PNG = b"\x89PNG\r\n\x1a\n"
_ACTIVE = re.compile(
    rb"/(JavaScript|JS|EmbeddedFiles?|Launch|RichMedia|XFA|SubmitForm|ImportData|Movie|Sound|GoToE|AA|Rendition)"
    rb"(?![A-Za-z0-9_.-])"
)
_ACTIVE_ANYWHERE = re.compile(rb"/(JavaScript|EmbeddedFile|RichMedia|SubmitForm|ImportData)")
_WINDOW, _OVERLAP = 1 << 20, 128
_ENCRYPT = re.compile(rb"/Encrypt(?![A-Za-z0-9_.-])")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"stream\r?\n")
_OBJECT = re.compile(rb"\d\s+\d+\s+obj\b")
_MARKUP = re.compile(
    rb"<\s*(!doctype|\?xml|html|head|body|script|svg|iframe|object|embed|meta|link|style|img|a\s)|javascript:",
    re.IGNORECASE,
)
_SCRIPT_STARTS = (b"#!", b"%!", b"{\\rtf", b"MZ", b"\x7fELF")


class Refused(Exception):
    """The file is not taken; the argument is a key of REASONS."""


def media_type_of(data: bytes) -> str:
    """The media type of whole, harmless content. Raises Refused."""
    if not data:
        raise Refused("empty")
    for looks_like, check in _KINDS:
        if looks_like(data):
            return check(data)
    return _text(data)


def _is_pdf(data: bytes) -> bool:
    return data.startswith(b"%PDF-")


def _is_png(data: bytes) -> bool:
    return data.startswith(_PNG)


def _is_jpeg(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff")


def _is_webp(data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def _png(data: bytes) -> str:
    at = len(_PNG)
    while True:
        if at + 12 > len(data):
            raise Refused("damaged")
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        at += 12 + length
        if kind == b"acTL":
            raise Refused("animated")
        if kind == b"IEND":
            break
    if at != len(data):
        raise Refused("trailing_data" if at < len(data) else "damaged")
    _image(data, "PNG")
    return "image/png"


def _jpeg(data: bytes) -> str:
    if not data.rstrip(b"\x00").endswith(b"\xff\xd9"):
        raise Refused("trailing_data" if b"\xff\xd9" in data[-65_536:] else "damaged")
    _image(data, "JPEG")
    return "image/jpeg"


def _webp(data: bytes) -> str:
    size = struct.unpack("<I", data[4:8])[0] + 8
    if size != len(data):
        raise Refused("trailing_data" if size < len(data) else "damaged")
    if data[12:16] == b"VP8X" and data[20:21] and data[20] & 0x02:
        raise Refused("animated")
    _image(data, "WEBP")
    return "image/webp"


def _image(data: bytes, kind: str) -> None:
    """Bounded decode: the header's size first, then the picture itself (JPEG at an eighth of its size)."""
    _not_also(data)
    from PIL import Image  # imported late: a text needs no image library

    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before any pixel is made
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            width, height = picture.size
            if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
                raise Refused("too_many_pixels")
            if getattr(picture, "is_animated", False):
                raise Refused("animated")
            if kind == "PNG":
                picture.verify()
                return
            picture.draft(None, (max(1, width // 8), max(1, height // 8)))
            picture.load()
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError) as error:
        raise Refused("damaged") from error


def _not_also(data: bytes) -> None:
    """Readers look for a PDF header in the first kilobyte and for a ZIP directory at the end."""
    if b"%PDF-" in data[:1024] or zipfile.is_zipfile(io.BytesIO(data)):
        raise Refused("polyglot")
    if re.search(rb"<(script|html|svg|\?php)", data[:4096] + data[-4096:], re.IGNORECASE):
        raise Refused("polyglot")


def _pdf(data: bytes) -> str:
    end = data.rfind(b"%%EOF")
    if end < 0 or b"startxref" not in data:
        raise Refused("damaged")
    if data[end + 5 :].strip(b"\r\n \x00\t"):
        raise Refused("trailing_data")
    if zipfile.is_zipfile(io.BytesIO(data)):
        raise Refused("polyglot")
    if sum(1 for _ in _OBJECT.finditer(data)) > MAX_PDF_OBJECTS:
        raise Refused("pdf_too_complex")
    for part in _pdf_dictionaries(data):
        names = _plain_names(part)
        if _ENCRYPT.search(names):
            raise Refused("pdf_encrypted")
        if _ACTIVE.search(names):
            raise Refused("pdf_active")
    # A cross-reference may point into the middle of a stream; names too long to occur there by chance are enough.
    if any(_ACTIVE_ANYWHERE.search(_plain_names(window)) for window in _windows(data)):
        raise Refused("pdf_active")
    return "application/pdf"


def _plain_names(part: bytes) -> bytes:
    """Names without their #xx disguise."""
    return _ESCAPE.sub(lambda found: bytes([int(found.group(1), 16)]), part)


def _windows(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), _WINDOW):
        yield data[at : at + _WINDOW + _OVERLAP]


def _pdf_dictionaries(data: bytes) -> list[bytes]:
    """Everything outside streams, and what is inside object streams, where a PDF 1.5 keeps its dictionaries."""
    parts: list[bytes] = []
    budget = MAX_INFLATED
    at = 0
    for found in _STREAM.finditer(data):
        if found.start() < at:
            continue  # the word "stream" inside a stream
        outside = data[at : found.start()]
        parts.append(outside)
        stop = data.find(b"endstream", found.end())
        if stop < 0:
            raise Refused("damaged")
        head = outside[outside.rfind(b" obj") :]
        if b"/ObjStm" in _plain_names(head):
            inflated = _inflate(data[found.end() : stop], head, budget)
            budget -= len(inflated)
            parts.append(inflated)
        at = stop + len(b"endstream")
    parts.append(data[at:])
    return parts


def _inflate(stream: bytes, head: bytes, budget: int) -> bytes:
    """An object stream's content; only Flate without further filters is ever written by honest programs."""
    if b"/Filter" not in head:
        return stream
    if b"/FlateDecode" not in head or head.count(b"Decode") > 1 + head.count(b"/DecodeParms"):
        raise Refused("pdf_active")
    machine = zlib.decompressobj()
    try:
        inflated = machine.decompress(stream, budget + 1)
    except zlib.error as error:
        raise Refused("damaged") from error
    if len(inflated) > budget:
        raise Refused("pdf_too_complex")
    return inflated


def _text(data: bytes) -> str:
    if data.startswith(_SCRIPT_STARTS):
        raise Refused("type")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("type") from None
    if "\x00" in text or _MARKUP.search(data):
        raise Refused("type")
    if len(data) > MAX_TEXT:
        raise Refused("text_too_long")
    if any((char < " " and char not in "\n\r\t\f") or char == "\x7f" for char in text):
        raise Refused("text_control")
    return "text/plain"


_KINDS = ((_is_pdf, _pdf), (_is_png, _png), (_is_jpeg, _jpeg), (_is_webp, _webp))


def confine() -> None:
    """Give up the right to use more than the file deserves. Irrevocable for this process."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def main(path: str) -> int:
    """Look at one file and print the verdict."""
    confine()
    try:
        verdict = {"ok": True, "media_type": media_type_of(Path(path).read_bytes())}
    except Refused as refused:
        verdict = {"ok": False, "reason": str(refused)}
    except MemoryError:
        verdict = {"ok": False, "reason": "resources"}
    print(json.dumps(verdict))  # noqa: T201  the answer to the parent process
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
