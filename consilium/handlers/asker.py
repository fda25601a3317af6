"""Who asks, looked up anew for every command: rights follow the record, not the session's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from consilium.commands import Command
from consilium.documents.text import check_text, tidy_text
from consilium.errors import Forbidden, Unauthenticated
from consilium.model import Person

if TYPE_CHECKING:
    from consilium.context import Context

Table = dict[type[Command], Callable[["Context", Any], dict[str, Any]]]
"""Command -> handler, of one topic."""


def person_of(context: Context) -> Person:
    """The person who asks. Raises Unauthenticated for nobody and for a closed account."""
    if context.actor.person_id is None:
        raise Unauthenticated("not_signed_in")
    person = context.tx.person(context.actor.person_id)
    if not person.active:
        raise Unauthenticated("not_signed_in")
    return person


def require_system(context: Context) -> None:
    """Commands of the worker and the registry's callback."""
    if "system" not in context.actor.duties:
        raise Forbidden("forbidden")


def tidied(value: str, field: str) -> str:
    """What a person typed, as it will stand in a document. Raises Invalid text_refused."""
    clean = tidy_text(value).strip()
    check_text(clean, field)
    return clean
