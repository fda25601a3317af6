"""What a database says -> what the domain says. Only what a person or a retry can act on is translated."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from consilium.errors import Conflict, NotFound, Unavailable
from consilium.store.tables import CODES, unique_names

log = logging.getLogger(__name__)

_NAMES = unique_names()
_UNIQUE = re.compile(r"UNIQUE constraint failed: (.+)")
# SQLSTATE classes, PostgreSQL appendix A.
_AGAIN = {"40001", "40P01"}
_BUSY = {"55P03", "57014", "53300", "57P03"}
_FULL = {"53100", "53200"}
# Where the disk is full SQLite also reports that it cannot write, open or extend its files.
_SQLITE_FULL = {"SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY"}


class TryAgain(Exception):
    """Serialization failure, deadlock, or the same command id in two places: nothing was changed."""


@contextmanager
def translated(*, committing: bool = False) -> Iterator[None]:
    """Turn driver errors into ConsiliumError or TryAgain; `committing` makes a lost connection `unknown`.

    A CHECK or NOT NULL that breaks is a fault of ours and goes through as it is.
    """
    try:
        yield
    except sa.exc.IntegrityError as error:
        raise _integrity(error) from error
    except sa.exc.TimeoutError as error:
        raise Unavailable("busy") from error
    except sa.exc.DBAPIError as error:
        raise _operational(error, committing=committing) from error


def _integrity(error: sa.exc.IntegrityError) -> Exception:
    name, foreign = _constraint(error.orig)
    if foreign:
        return NotFound()
    if name is None:
        return error
    if name == "pk_commands":
        return TryAgain(name)
    return Conflict(CODES.get(name, "duplicate"), constraint=name)


def _constraint(orig: BaseException | None) -> tuple[str | None, bool]:
    """Name of the broken unique constraint, and whether a foreign key broke instead."""
    if isinstance(orig, psycopg.Error):
        unique = isinstance(orig, psycopg.errors.UniqueViolation)
        foreign = isinstance(orig, psycopg.errors.ForeignKeyViolation)
        return (orig.diag.constraint_name if unique else None), foreign
    text = str(orig)
    found = _UNIQUE.match(text)
    if not found:
        return None, "FOREIGN KEY" in text
    columns = found.group(1)
    return _NAMES.get(columns, f"pk_{columns.partition('.')[0]}"), False


def _operational(error: sa.exc.DBAPIError, *, committing: bool) -> Exception:
    orig = error.orig
    if isinstance(orig, psycopg.Error):
        return _postgres(error, orig, committing=committing)
    name = getattr(orig, "sqlite_errorname", "") if isinstance(orig, sqlite3.Error) else ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable("busy")
    if any(name.startswith(one) for one in _SQLITE_FULL):
        log.error("store.storage_full", extra={"cause": name})
        return Unavailable("storage_full")
    return error


def _postgres(error: sa.exc.DBAPIError, orig: psycopg.Error, *, committing: bool) -> Exception:
    state = orig.sqlstate
    if state in _AGAIN:
        return TryAgain(state)
    if state in _BUSY:
        return Unavailable("busy")
    if state in _FULL:
        log.error("store.storage_full", extra={"cause": state})
        return Unavailable("storage_full")
    if error.connection_invalidated or isinstance(orig, psycopg.OperationalError):
        log.error("store.connection_lost", extra={"cause": state, "committing": committing})
        return Unavailable("unknown" if committing else "busy")
    return error
