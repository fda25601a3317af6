"""What must be true before a protocol is frozen, and what XML may come near a signature.

Two gates: `require_complete` / `check_facts` in front of the renderer, `check_xml` in front of signing, verifying
and viewing. All refusals are `consilium.errors.Invalid` with a stable code; XML ones carry `details.reason`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from io import BytesIO
from typing import Any

from lxml import etree

from consilium.documents.facts import Participant, ProtocolFacts
from consilium.documents.text import check_text, mixed_words, refused_character, tidy_text
from consilium.documents.vocabulary import NAMES
from consilium.errors import Invalid

__all__ = [
    "Missing",
    "check_facts",
    "check_text",
    "check_values",
    "check_xml",
    "missing_items",
    "mixed_words",
    "parse_xml",
    "require_complete",
    "texts_of",
    "tidy_text",
]

MIN_MEMBERS = 2  # 323-ФЗ ст. 48 ч. 3: "several doctors"; kinds ask for more by their own rule
OTHER_GOAL = "10"  # 11.1506: "иные", meaningless without words (schematron 190, У3-14)

MAX_XML_BYTES = 8 * 1024 * 1024
MAX_XML_DEPTH = 64
MAX_XML_NODES = 200_000
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_ENCODING = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)[\"']")
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_XINCLUDE = "{http://www.w3.org/2001/XInclude}"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing a protocol lacks: `code` is stable, `field` is where to put it."""

    code: str
    field: str


def missing_items(facts: ProtocolFacts) -> list[Missing]:
    """What keeps a protocol from being frozen: the five items of 323-ФЗ ст. 48 ч. 4, and the words of goal 10."""
    found = [] if _members_named(facts) else [Missing("members_missing", "participants")]
    texts = (
        ("reasons_missing", "reasons", facts.sections.reasons),
        ("course_missing", "course", facts.sections.course),
        ("state_missing", "state", facts.sections.state),
        ("decision_missing", "decision", facts.sections.decision),
    )
    found += [Missing(code, field) for code, field, value in texts if not value.strip()]
    if facts.goal.code == OTHER_GOAL and not facts.goal_text.strip():
        found.append(Missing("goal_text_missing", "goal_text"))
    return found


def _members_named(facts: ProtocolFacts) -> bool:
    present = facts.attended()
    return len(present) >= MIN_MEMBERS and all(one.name.surname.strip() for one in present)


def require_complete(facts: ProtocolFacts) -> None:
    """Raise Invalid("protocol_incomplete", missing=[{code, field}]) when something statutory is absent."""
    missing = missing_items(facts)
    if missing:
        rows = [{"code": one.code, "field": one.field} for one in missing]
        raise Invalid("protocol_incomplete", missing=rows)


def check_facts(facts: ProtocolFacts) -> None:
    """Refuse facts that cannot be written down truthfully.

    Every text passes `check_text`, every time carries a zone, OIDs are OIDs, and every person id that is mentioned
    belongs to a participant. Raises Invalid("text_refused" | "invalid_field").
    """
    check_values(facts)
    if facts.confidentiality not in NAMES["99.2.285"]:
        raise Invalid("invalid_field", field="confidentiality")
    _check_references(facts)


def check_values(value: Any, path: str = "") -> None:
    """Every text, time and OID of a dataclass, however deep. Raises Invalid("text_refused" | "invalid_field")."""
    for where, leaf in _leaves(value, path):
        if isinstance(leaf, str):
            check_text(leaf, where)
            if where.endswith("oid") and leaf and not _OID.fullmatch(leaf):
                raise Invalid("invalid_field", field=where)
        if isinstance(leaf, datetime) and leaf.tzinfo is None:
            raise Invalid("invalid_field", field=where)


def texts_of(value: Any) -> Iterator[tuple[str, str]]:
    """Where each text of a dataclass stands (`sections.course`, `dissents[0].text`), and the text."""
    return ((path, leaf) for path, leaf in _leaves(value, "") if isinstance(leaf, str) and leaf)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        for one in fields(value):
            yield from _leaves(getattr(value, one.name), f"{path}.{one.name}" if path else one.name)
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from _leaves(item, f"{path}[{at}]")
    elif not isinstance(value, Enum):
        yield path, value


def _check_references(facts: ProtocolFacts) -> None:
    known = {one.person_id for one in facts.participants}
    if len(known) != len(facts.participants):
        raise Invalid("invalid_field", field="participants")
    mentioned = [("author_id", facts.author_id), ("authenticator_id", facts.authenticator_id)]
    mentioned += [("resolutions.votes", vote.person_id) for one in facts.resolutions for vote in one.votes]
    mentioned += [("dissents.author_id", one.author_id) for one in facts.dissents]
    mentioned += [("statements.speaker_id", one.speaker_id) for one in facts.statements]
    mentioned += [("statements.recorded_by_id", one.recorded_by_id) for one in facts.statements]
    mentioned += [("signing_notes.person_id", one.person_id) for one in facts.signing_notes]
    for field, person_id in mentioned:
        if person_id not in known:
            raise Invalid("invalid_field", field=field)
    _check_attendance(facts.participants)


def _check_attendance(participants: tuple[Participant, ...]) -> None:
    for at, one in enumerate(participants):
        if any(stay.left is not None and stay.left < stay.joined for stay in one.attendance):
            raise Invalid("invalid_field", field=f"participants[{at}].attendance")


def _refuse(reason: str) -> Invalid:
    return Invalid("file_refused", reason=reason)


def check_xml(data: bytes) -> None:
    """Refuse XML whose meaning depends on anything but its own bytes, or that is built to exhaust a parser.

    Raises Invalid("too_large") or Invalid("file_refused") with `reason`: xml_bom, xml_encoding, xml_doctype,
    xml_processing_instruction, xml_character, xml_malformed, xml_xinclude, xml_schema_location, xml_too_deep,
    xml_too_many_nodes.
    """
    parse_xml(data)


def parse_xml(data: bytes) -> etree._Element:
    """The root of checked XML; raises as `check_xml`."""
    if len(data) > MAX_XML_BYTES:
        raise Invalid("too_large", limit=MAX_XML_BYTES)
    _check_raw(data)
    return _walked(data)


def _check_raw(data: bytes) -> None:
    if data.startswith(_BOMS):
        raise _refuse("xml_bom")
    declared = _ENCODING.match(data)
    if declared and declared.group(1).upper() != b"UTF-8":
        raise _refuse("xml_encoding")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _refuse("xml_encoding") from None
    # Also inside comments and CDATA: nothing we make carries these there.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _refuse("xml_doctype")
    if text.count("<?") > int(text.startswith("<?xml ")):
        raise _refuse("xml_processing_instruction")
    if refused_character(text) is not None:
        raise _refuse("xml_character")


def _walked(data: bytes) -> etree._Element:
    depth = nodes = 0
    try:
        events = etree.iterparse(
            BytesIO(data),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )
        for event, element in events:
            if event == "end":
                depth -= 1
                _check_content(element)
                continue
            depth, nodes = depth + 1, nodes + 1
            if depth > MAX_XML_DEPTH:
                raise _refuse("xml_too_deep")
            if nodes > MAX_XML_NODES:
                raise _refuse("xml_too_many_nodes")
    except etree.XMLSyntaxError:
        raise _refuse("xml_malformed") from None
    root: etree._Element = events.root
    return root


def _check_content(element: etree._Element) -> None:
    """Character references can smuggle in what the raw scan has not seen, so the parsed text is checked again."""
    tag = element.tag
    if str(tag).startswith(_XINCLUDE):
        raise _refuse("xml_xinclude")
    for name, value in element.attrib.items():
        if str(name).startswith(_XSI) and str(name).endswith("chemaLocation"):
            raise _refuse("xml_schema_location")
        if refused_character(str(value)) is not None:
            raise _refuse("xml_character")
    texts = (element.text, *(child.tail for child in element))
    if any(text and refused_character(text) is not None for text in texts):
        raise _refuse("xml_character")
