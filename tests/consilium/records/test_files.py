"""Files are kept whole, harmless and under the digest of their bytes, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from consilium.errors import ConsiliumError, Invalid, NotFound
from consilium.records import inspect
from consilium.records.files import FileStore, StoredFile, look_at

MEGABYTE = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def upload(store: FileStore, data: bytes, limit: int = 8 * MEGABYTE) -> StoredFile:
    with store.begin(limit) as incoming:
        for at in range(0, len(data), 65_536):
            incoming.write(data[at : at + 65_536])
        return incoming.finish()


def nothing_left(store: FileStore) -> bool:
    return not list(store.digests()) and not list(store.incoming.iterdir())


def picture(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).save(out, kind)
    return out.getvalue()


def pdf(catalog: bytes = b"", tail: bytes = b"") -> bytes:
    body = b"%PDF-1.5\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>\nendobj\n"
    body += b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n" + tail
    return body + b"trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"


def object_stream(inside: bytes) -> bytes:
    packed = zlib.compress(inside)
    head = b"3 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n" % len(
        packed
    )
    return head + packed + b"\nendstream\nendobj\n"


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as one:
        one.writestr("evil.txt", "x" * 100)
    return out.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
TYPE_REFUSED = {
    "html": HTML,
    "html after spaces": b"\n\n   " + HTML,
    "svg": SVG,
    "xml": b'<?xml version="1.0"?><a/>',
    "zip": archive(),
    "program": b"MZ" + bytes(200),
    "elf": b"\x7fELF" + bytes(200),
    "shell script": b"#!/bin/sh\nrm -rf /\n",
    "postscript": b"%!PS-Adobe-3.0\n",
    "rtf": b"{\\rtf1 hello}",
    "dicom": bytes(128) + b"DICM" + bytes(64),
    "gif": b"GIF89a" + bytes(40),
    "cp1251 text": "Выписка".encode("cp1251"),
    "text with zero bytes": b"abc\x00def",
    "empty": b"",
}
FILE_REFUSED = {
    ("png cut off", "damaged"): picture("PNG")[:-20],
    ("png with a tail", "trailing_data"): picture("PNG") + archive(),
    ("jpeg cut off", "damaged"): picture("JPEG", (400, 300))[:-40],
    ("jpeg with a tail", "trailing_data"): picture("JPEG") + b"<script>",
    ("webp with a tail", "trailing_data"): picture("WEBP") + b"tail",
    ("png of 50 000 x 50 000", "too_many_pixels"): png_of(50_000, 50_000),
    ("png of one long line", "too_many_pixels"): png_of(30_000, 10),
    ("pdf without an end", "damaged"): b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n",
    ("pdf with a tail", "trailing_data"): pdf() + b"PK\x03\x04",
    ("pdf encrypted", "pdf_encrypted"): pdf(b"/Encrypt 9 0 R"),
    ("pdf script", "pdf_active"): pdf(b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"),
    ("pdf script in disguise", "pdf_active"): pdf(b"/OpenAction << /S /J#61vaScript >>"),
    ("pdf with a file inside", "pdf_active"): pdf(b"/Names << /EmbeddedFiles 4 0 R >>"),
    ("pdf that launches", "pdf_active"): pdf(b"/OpenAction << /S /Launch /F (cmd.exe) >>"),
    ("pdf script in an object stream", "pdf_active"): pdf(tail=object_stream(b"3 0 << /S /JavaScript >>")),
    ("pdf with a bomb inside", "pdf_too_complex"): pdf(tail=object_stream(bytes(64 * MEGABYTE))),
    ("pdf of a million objects", "pdf_too_complex"): pdf(tail=b"1 0 obj\n" * 300_000),
    ("text with control characters", "text_control"): b"abc\x1b[2Jdef",
}


@pytest.mark.parametrize("name", TYPE_REFUSED)
def test_what_is_no_document_is_refused(store: FileStore, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        upload(store, TYPE_REFUSED[name])
    assert refused.value.code == "file_type_refused"
    assert nothing_left(store)


@pytest.mark.parametrize("name, reason", list(FILE_REFUSED))
def test_a_harmful_document_is_refused_with_its_reason(store: FileStore, name: str, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(Invalid) as refused:
        upload(store, FILE_REFUSED[name, reason], limit=80 * MEGABYTE)
    assert (refused.value.code, refused.value.details["reason"]) == ("file_refused", reason)
    assert time.monotonic() - began < 6
    assert nothing_left(store)


def test_an_image_that_is_also_a_pdf_is_refused(store: FileStore) -> None:
    image = picture("JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(pdf())) + pdf()
    with pytest.raises(Invalid) as refused:
        upload(store, image[:2] + comment + image[2:])
    assert refused.value.code == "file_type_refused"


def test_a_file_over_the_limit_is_cut_off_while_it_streams(store: FileStore) -> None:
    incoming = store.begin(100)
    incoming.write(b"a" * 100)
    with pytest.raises(Invalid) as refused:
        incoming.write(b"b")
    assert refused.value.code == "file_too_large"
    assert nothing_left(store)


def test_nothing_can_be_added_to_a_finished_upload(store: FileStore) -> None:
    incoming = store.begin(100)
    incoming.write(b"text")
    incoming.finish()
    with pytest.raises(ValueError, match="over"):
        incoming.write(b"more")


@pytest.mark.parametrize("part", range(0, 100, 10))
def test_an_abandoned_upload_leaves_nothing(store: FileStore, part: int) -> None:
    data = picture("PNG")
    with store.begin(MEGABYTE) as incoming:
        incoming.write(data[: len(data) * part // 100])
    assert nothing_left(store)


@pytest.mark.parametrize(
    "digest", ["", "..", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", "a" * 64]
)
def test_only_a_kept_digest_opens_anything(store: FileStore, digest: str) -> None:
    with pytest.raises(NotFound):
        store.open(digest)


def test_changed_bytes_on_the_disk_are_noticed(store: FileStore) -> None:
    kept = upload(store, b"The conclusion of the pathologist.")
    assert store.verify(kept.digest)
    path = store.path(kept.digest)
    path.chmod(0o640)
    path.write_bytes(b"The conclusion of somebody else...")
    assert not store.verify(kept.digest)


def test_the_look_is_confined_in_memory_and_time(tmp_path: Path) -> None:
    greedy = (
        f"import sys; sys.path.insert(0, {str(Path(inspect.__file__).parents[2])!r});"
        "from consilium.records import inspect; inspect.confine();"
    )
    memory = subprocess.run(
        [sys.executable, "-c", greedy + "bytes(300 * 1024 * 1024)"], capture_output=True, check=False
    )
    assert b"MemoryError" in memory.stderr
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    cpu = subprocess.run(
        [sys.executable, "-c", greedy + "\nwhile True: pass"], capture_output=True, check=False
    )
    assert cpu.returncode < 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < inspect.CPU_SECONDS + 1


ACCEPTED = {
    "pdf": (pdf(), "application/pdf"),
    "pdf with an object stream": (pdf(tail=object_stream(b"3 0 << /Type /Font >>")), "application/pdf"),
    "png": (picture("PNG"), "image/png"),
    "jpeg": (picture("JPEG"), "image/jpeg"),
    "webp": (picture("WEBP"), "image/webp"),
    "text": ("Выписка из истории болезни\nT3N1M0, 5 < 7 & 8 > 2\n".encode(), "text/plain"),
    "text with a mark at its start": (b"\xef\xbb\xbf" + "Выписка".encode(), "text/plain"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_document_is_kept_under_its_digest(store: FileStore, name: str) -> None:
    data, media_type = ACCEPTED[name]
    kept = upload(store, data)
    assert kept == StoredFile(digest=hashlib.sha256(data).hexdigest(), size=len(data), media_type=media_type)
    assert store.read(kept.digest) == data
    assert not os.access(store.path(kept.digest), os.W_OK) or os.geteuid() == 0
    assert store.path(kept.digest).stat().st_mode & 0o222 == 0


def test_a_scan_of_a_whole_page_is_taken(store: FileStore) -> None:
    scan = picture("JPEG", (4960, 7016))
    assert upload(store, scan, limit=80 * MEGABYTE).media_type == "image/jpeg"


def test_the_same_content_twice_is_one_file(store: FileStore) -> None:
    first, second = upload(store, b"text"), upload(store, b"text")
    assert first == second
    assert list(store.digests()) == [first.digest]


def test_our_own_bytes_are_kept_as_they_are(store: FileStore) -> None:
    kept = store.keep(b"<?xml version='1.0'?><a/>", "application/xml")
    assert store.read(kept.digest) == b"<?xml version='1.0'?><a/>"


def test_files_nobody_knows_and_parts_nobody_finished_can_be_listed(store: FileStore) -> None:
    known, orphan = upload(store, b"known"), upload(store, b"orphan")
    forgotten = store.incoming / "crashed.part"
    forgotten.write_bytes(b"half")
    later = forgotten.stat().st_mtime + 1
    assert store.orphans({known.digest}, later) == [orphan.digest]
    assert store.orphans({known.digest}, later - 60) == []
    assert store.abandoned(later) == [forgotten]
    assert store.abandoned(later - 2) == []


@settings(max_examples=25, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"%PDF-1.4\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"]),
)
def test_any_bytes_get_a_verdict(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(start + data)
    try:
        verdict = look_at(path)
    except ConsiliumError as refused:
        verdict = refused.details["reason"]
    assert verdict in {
        *inspect.REASONS,
        "application/pdf",
        "image/png",
        "image/jpeg",
        "image/webp",
        "text/plain",
    }
