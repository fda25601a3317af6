"""Files under the digest of their content: written as a stream, looked at in a cage, then never changed.

`root/incoming/` holds what is still arriving, `root/ab/cd/abcd...` what is kept. A file appears under its digest
complete or not at all (fsync, then an atomic link), so a crash leaves nothing but a forgotten part in `incoming/`.
Errors are consilium.errors: Invalid file_too_large, file_type_refused, file_refused (details.reason as in
inspect.REASONS), NotFound, Unavailable storage_full.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from consilium.errors import Invalid, NotFound, Unavailable
from consilium.records import inspect

_DIGEST = re.compile(r"[0-9a-f]{64}")
log = logging.getLogger(__name__)

_INSPECT_SECONDS = 10.0  # wall clock; two seconds of CPU end it first unless the machine is drowned
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A kept file: sha256 (hex), size in bytes, the media type its content was found to have."""

    digest: str
    size: int
    media_type: str


class Upload:
    """One file on its way in. Use as a context manager: leaving it unfinished aborts it."""

    def __init__(self, store: FileStore, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._size = 0
        self._hash = hashlib.sha256()
        self._path = store.incoming / f"{uuid.uuid4().hex}.part"
        with _disk():
            self._file: BinaryIO | None = self._path.open("xb")

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._size

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises Invalid("file_too_large") at the first byte over the limit and aborts."""
        if self._file is None:
            raise ValueError("the upload is over")
        if self._size + len(chunk) > self._limit:
            self.abort()
            raise Invalid("file_too_large", limit=self._limit)
        try:
            with _disk():
                self._file.write(chunk)
        except Unavailable:
            self.abort()
            raise
        self._size += len(chunk)
        self._hash.update(chunk)

    def finish(self) -> StoredFile:
        """Look at the content and keep it. Whatever is refused is removed."""
        if self._file is None:
            raise ValueError("the upload is over")
        try:
            with _disk():
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
            media_type = look_at(self._path)
            digest = self._hash.hexdigest()
            self._store.adopt(self._path, digest)
            return StoredFile(digest=digest, size=self._size, media_type=media_type)
        finally:
            self.abort()

    def abort(self) -> None:
        """Forget the upload; harmless when it is already over."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


class FileStore:
    """The folder of kept files; any number of processes may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.incoming = root / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def begin(self, limit: int) -> Upload:
        """Start taking in a file of at most `limit` bytes."""
        return Upload(self, limit)

    def keep(self, data: bytes, media_type: str) -> StoredFile:
        """Keep bytes that the product itself made (a frozen document, a package); they are not looked at."""
        path = self.incoming / f"{uuid.uuid4().hex}.part"
        try:
            with _disk(), path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            digest = hashlib.sha256(data).hexdigest()
            self.adopt(path, digest)
        finally:
            path.unlink(missing_ok=True)
        return StoredFile(digest=digest, size=len(data), media_type=media_type)

    def adopt(self, part: Path, digest: str) -> None:
        """Give a complete, synced part its place; the same content twice is one file."""
        target = self.path(digest)
        with _disk():
            target.parent.mkdir(parents=True, exist_ok=True)
            part.chmod(0o440)
            part.replace(target)  # also renews the time of a file that was there: see orphans
            for folder in (target.parent, target.parent.parent, self._root):
                _sync_folder(folder)

    def path(self, digest: str) -> Path:
        """Where a digest's bytes lie; NotFound when it is no digest (nothing else may become a path)."""
        if not _DIGEST.fullmatch(digest):
            raise NotFound
        return self._root / digest[:2] / digest[2:4] / digest

    def open(self, digest: str) -> BinaryIO:
        """The kept bytes for reading. Raises NotFound."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound from None

    def read(self, digest: str) -> bytes:
        """The kept bytes at once; for documents, not for large images. Raises NotFound."""
        with self.open(digest) as file:
            return file.read()

    def verify(self, digest: str) -> bool:
        """Whether the bytes on the disk still are those of the digest. Raises NotFound."""
        found = hashlib.sha256()
        with self.open(digest) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
        return found.hexdigest() == digest

    def digests(self) -> Iterator[str]:
        """Every kept digest."""
        for path in self._root.glob("??/??/*"):
            if _DIGEST.fullmatch(path.name):
                yield path.name

    def orphans(self, known: Collection[str], before: float) -> list[str]:
        """Kept digests that nobody refers to, last stored before a moment (seconds since the epoch).

        A file is stored a moment before its row is; `before` a day ago leaves those in peace.
        """
        unknown = (digest for digest in self.digests() if digest not in known)
        return sorted(digest for digest in unknown if self.path(digest).stat().st_mtime < before)

    def abandoned(self, before: float) -> list[Path]:
        """Parts in `incoming/` last written before a moment (seconds since the epoch): safe to remove."""
        return sorted(path for path in self.incoming.glob("*.part") if path.stat().st_mtime < before)


def look_at(path: Path) -> str:
    """The media type found by content, in a process of its own.

    Raises Invalid("file_type_refused") for a kind that is not taken and Invalid("file_refused", reason=...) for
    one that is, but damaged, encrypted, active or built to exhaust its reader; Unavailable("busy") when the
    machine is too slow to tell.
    """
    reason = "resources"
    try:
        # Our own program and a path made here; -I keeps the caller's environment and folder out of it.
        done = subprocess.run(
            [sys.executable, "-I", str(Path(inspect.__file__)), str(path)],
            capture_output=True,
            timeout=_INSPECT_SECONDS,
            check=False,
            env={"OMP_NUM_THREADS": "1"},
        )
        if done.returncode == 0:
            verdict = json.loads(done.stdout)
            if verdict["ok"]:
                return str(verdict["media_type"])
            reason = str(verdict["reason"])
        elif done.returncode > 0:
            reason = "damaged"  # a parser stumbled
        else:
            log.warning("records.inspection_ended", extra={"signal": -done.returncode})  # a limit was reached
    except subprocess.TimeoutExpired:
        # Two seconds of CPU would have ended it long before: the machine is at fault, not the file.
        log.warning("records.inspection_slow", extra={"seconds": _INSPECT_SECONDS})
        raise Unavailable("busy") from None
    if reason in {"type", "polyglot", "empty"}:
        raise Invalid("file_type_refused", reason=reason)
    raise Invalid("file_refused", reason=reason)


class _disk:  # noqa: N801  reads as a statement: with _disk(): ...
    """Turn "no space left" into an answer a person can act on."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise Unavailable("storage_full") from error


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
