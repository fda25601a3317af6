"""Facts to the bytes that are signed: one deterministic CDA R2 document.

The result is frozen: hashed, shown, signed, stored and filed as it is, never serialised again. Rendering the same
facts with the same version of this code gives the same bytes (tests/consilium/documents). Header: header.py, body:
narrative.py, codes: editions.py. Conformance to the state's guides beyond the base CDA schema is not promised here.
"""

from __future__ import annotations

from lxml import etree

from consilium.documents.editions import edition
from consilium.documents.facts import Coded, ProtocolFacts
from consilium.documents.header import add, coded, protocol_header
from consilium.documents.narrative import (
    Block,
    Paragraph,
    Section,
    Table,
    sections,
)
from consilium.documents.validate import check_facts, check_xml, require_complete
from consilium.documents.wording import local


def render(facts: ProtocolFacts) -> bytes:
    """The protocol as UTF-8 XML.

    Raises Invalid: protocol_incomplete (statutory items), text_refused, invalid_field.
    """
    check_facts(facts)
    require_complete(facts)
    row = edition(facts.kind, local(facts.frozen_at, facts.utc_offset_minutes).date())
    return _finish(protocol_header(facts, row), sections(facts))


def _finish(document: etree._Element, body: tuple[Section, ...]) -> bytes:
    structured = add(add(document, "component"), "structuredBody")
    for one in body:
        _section(structured, one)
    data: bytes = etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    check_xml(data)
    return data


def _section(structured: etree._Element, one: Section) -> None:
    section = add(add(structured, "component"), "section", ID=one.key)
    if one.code:
        coded(section, "code", Coded(code=one.code, name=one.code_name), "99.2.197")
    add(section, "title", one.title)
    text = add(section, "text")
    for block in one.blocks:
        _block(text, block)


def _block(text: etree._Element, block: Block) -> None:
    if isinstance(block, Table):
        _table(text, block)
    else:
        _paragraph(text, block)


def _paragraph(text: etree._Element, block: Paragraph) -> None:
    lines = [line.strip() for line in block.text.split("\n") if line.strip()]
    for at, line in enumerate(lines or [""]):
        paragraph = add(text, "paragraph")
        if at == 0 and block.caption:
            add(paragraph, "content", f"{block.caption}:", styleCode="Bold").tail = f" {line}"
        else:
            paragraph.text = line


def _table(text: etree._Element, block: Table) -> None:
    table = add(text, "table")
    head = add(add(table, "thead"), "tr")
    for cell in block.head:
        add(head, "th", cell)
    body = add(table, "tbody")
    for row in block.rows:
        line = add(body, "tr")
        for cell in row:
            add(line, "td", cell)
