"""The zip around a package: written one way only, and read as if its author were hostile.

The writer leaves nothing to chance (order, times, no compression), so the reader can write what it read once more
and demand the same bytes: hidden data, overlaps, doubled headers and repacking fail on that comparison alone.
"""

import io
import re
import zipfile
from collections.abc import Mapping

from consilium.seal.errors import PackageRefused

__all__ = ["MIMETYPE", "pack", "unpack"]

MIMETYPE = b"application/vnd.etsi.asic-e+zip"
SIZE_LIMIT = 256 << 20
COUNT_LIMIT = 1024
EPOCH = (1980, 1, 1, 0, 0, 0)
# What the zip reader lets out on hostile bytes; numbers of 64 bits overflow its own.
UNREADABLE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)
SLUG = "[a-z0-9][a-z0-9-]{0,63}"
EVIDENCE = rf"certs/{SLUG}\.crt|crl/{SLUG}\.crl|ocsp/{SLUG}\.ors"
NAME = re.compile(
    r"mimetype|document\.(xml|pdf)|journal\.json|VERIFY\.txt|audit/chain\.jsonl"
    r"|signatures/([0-9]{2}-[a-z][a-z0-9-]{0,47}|org)\.sig"
    r"|dissent/[0-9]{2}\.(xml|sig)"
    rf"|evidence/({EVIDENCE}|tst/([0-9]{{2}}-[a-z][a-z0-9-]{{0,47}}|org|dissent-[0-9]{{2}})\.tst)"
    rf"|report/{SLUG}\.json"
    r"|META-INF/(ASiCManifest\.xml|signature\.(p7s|tst))"
    # What renewal adds years later, each time under the next number.
    rf"|evidence-[0-9]{{3}}/({EVIDENCE}|VERIFY\.txt)"
    r"|META-INF/(ASiCArchiveManifest[0-9]{3}\.xml|archive-timestamp-[0-9]{3}\.tst)"
)


def pack(members: Mapping[str, bytes]) -> bytes:
    """The container of these files; `mimetype` first, the rest by name, nothing compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in ("mimetype", *sorted(set(members) - {"mimetype"})):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The files of a container. Raises PackageRefused; nothing is written anywhere."""
    # Counted before the directory is read: every entry costs far more memory than its 46 bytes.
    if len(content) > SIZE_LIMIT or content.count(b"PK\x01\x02") > COUNT_LIMIT:
        raise PackageRefused("PACKAGE_TOO_LARGE")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = _members(archive)
    except UNREADABLE as error:
        raise PackageRefused("PACKAGE_FORMAT", what="zip") from error
    if members.get("mimetype") != MIMETYPE:
        raise PackageRefused("PACKAGE_FORMAT", what="mimetype")
    if pack(members) != content:
        raise PackageRefused("PACKAGE_REPACKED")
    return members


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    # Only stored files are accepted, so the declared sizes are the true ones and bound what is read.
    if sum(entry.file_size for entry in entries) > SIZE_LIMIT:
        raise PackageRefused("PACKAGE_TOO_LARGE")
    members: dict[str, bytes] = {}
    for entry in entries:
        _require_plain(entry)
        if entry.filename in members:
            raise PackageRefused("PACKAGE_DUPLICATE", name=entry.filename)
        members[entry.filename] = archive.read(entry)
    return members


def _require_plain(entry: zipfile.ZipInfo) -> None:
    if not NAME.fullmatch(entry.filename) or entry.orig_filename != entry.filename:
        raise PackageRefused("PACKAGE_NAME", name=ascii(entry.orig_filename)[:80])
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise PackageRefused("PACKAGE_REPACKED")
