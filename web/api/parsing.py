"""A JSON body -> a typed command. The same schema as the socket's; unknown fields are ignored."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from consilium.commands import Command
from consilium.documents.text import check_text, tidy_text
from consilium.errors import Invalid

T = TypeVar("T")
DEEPEST = 12
# A password is what was typed, byte for byte.
VERBATIM = frozenset({"password", "current", "new"})


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object of the body. Raises Invalid `invalid_message`, HTTP 413 over the limit."""
    if request.content_type != "application/json":
        raise Invalid("invalid_message")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Invalid("invalid_message") from None
    if not isinstance(body, dict):
        raise Invalid("invalid_message")
    return {key: tidied(value, key) for key, value in body.items()}


def tidied(value: Any, field: str, depth: int = 0) -> Any:
    """Every text composed (NFC) and free of control and bidirectional characters. Raises Invalid text_refused."""
    if depth > DEEPEST:
        raise Invalid("invalid_message")
    if isinstance(value, str) and field not in VERBATIM:
        clean = tidy_text(value)
        check_text(clean, field)
        return clean
    if isinstance(value, list):
        return [tidied(one, field, depth + 1) for one in value]
    if isinstance(value, dict):
        return {str(key): tidied(one, str(key), depth + 1) for key, one in value.items()}
    return value


def command_id(body: dict[str, Any]) -> UUID:
    """The client's id of this wish. Raises Invalid."""
    try:
        return UUID(body["command"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Invalid("invalid_message", field="command") from None


def command_of(body: dict[str, Any], shape: type[Command]) -> Command:
    """The command itself. Raises Invalid `invalid_field` with the field's path."""
    return converted(body, shape)


def converted(body: dict[str, Any], shape: type[T]) -> T:
    """Any declared shape out of a JSON object. Raises Invalid."""
    try:
        return msgspec.convert(body, shape, strict=True)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise refusal(str(error)) from None


def refusal(message: str) -> Invalid:
    """msgspec's sentence («Expected … - at `$.fields.sex`») as a code and the field's path."""
    text, _, path = message.partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if text.startswith("Object missing required field"):
        name = text.partition("`")[2].partition("`")[0]
        return Invalid("field_required", field=f"{field}.{name}" if field else name)
    if "length <=" in text:
        return Invalid("too_long", field=field or "?")
    return Invalid("invalid_field", field=field or "?")
