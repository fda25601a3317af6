"""The official files and dictionaries of this installation, loaded once and again when somebody installs others.

Every process keeps its own copy. A look costs a stat and one small query; an import or an installation in another
process is seen at the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from consilium import clock
from consilium.directory import nsi
from consilium.directory.nsi import Dictionary
from consilium.documents.guides import Official
from consilium.documents.terms import Terms
from consilium.store import dictionaries

if TYPE_CHECKING:
    from consilium.settings import Settings
    from consilium.store import Reader, Store


def folder_of(settings: Settings) -> Path | None:
    """Where the official files lie: the folder that is set, else what `consilium semd install` put there."""
    if settings.semd_dir is not None:
        return settings.semd_dir
    installed = settings.data_dir / "semd"
    return installed if installed.is_dir() else None


class Installed:
    """Guides, dictionaries and terms; safe to ask from any thread."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._lock = threading.Lock()
        self._guides: tuple[object, Official | None] = (None, None)
        self._words: tuple[object, Mapping[str, Dictionary], Terms] | None = None

    def official(self) -> Official | None:
        """The guides that are installed; None where there are none."""
        with self._lock:
            folder = folder_of(self._settings)
            seen = _seen(folder, "guides")
            if seen != self._guides[0] or seen is None:
                self._guides = (seen, Official.load(folder) if folder is not None else None)
            return self._guides[1]

    def terms(self, reader: Reader | None = None) -> Terms:
        """What documents are written with today. `reader`: whoever holds a connection asks through it."""
        return self._loaded(reader)[1]

    def dictionaries(self) -> Mapping[str, Dictionary]:
        """Every dictionary in force today, by its last arcs ("11.1002")."""
        return self._loaded(None)[0]

    def _loaded(self, reader: Reader | None) -> tuple[Mapping[str, Dictionary], Terms]:
        # The connection first, the lock second: those inside a transaction come with theirs.
        if reader is None:
            with self._store.read() as own:
                return self._loaded(own)
        with self._lock:
            folder = folder_of(self._settings)
            state = (_seen(folder, "nsi"), dictionaries.state(reader.connection))
            if self._words is None or self._words[0] != state:
                found = nsi.all_in_force(reader, clock.now(), folder)
                self._words = (state, found, nsi.terms_of(found.values()))
            return self._words[1], self._words[2]


def _seen(folder: Path | None, part: str) -> tuple[str, int, int] | None:
    """Changes when the folder is exchanged or gets and loses files."""
    if folder is None or not (folder / part).is_dir():
        return None
    found = (folder / part).stat()
    return str((folder / part).resolve()), found.st_ino, found.st_mtime_ns
