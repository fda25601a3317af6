"""The body as sections before any markup, and their markup.

A section is one CDA section: groups of blocks for the eye, coded entries for machines, both from the same values.
A group becomes a heading with paragraphs and tables; the reading view shows each as a chapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lxml import etree

from consilium.documents.markup import SECTIONS, Form, add, coded

HEADING = "Heading"  # styleCode of the paragraph that opens a group


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One or more lines of text; `caption` is set in bold before them."""

    text: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a header; every row is as long as the header."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Paragraph | Table


class Entries(Protocol):
    """Writes the coded statements of a section."""

    def __call__(self, section: etree._Element, form: Form, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Group:
    """Blocks under one heading; `key` is unique in the document and stable between versions."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """`code` is a code of 99.2.197; the first group's title is the section's.

    `parts` are sections inside this one: entries under the dictionary's title, whose words stand in the outer text.
    """

    code: str
    groups: tuple[Group, ...] = ()
    entries: Entries | None = None
    parts: tuple[Section, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not any(one.blocks for one in self.groups)


def write_body(document: etree._Element, form: Form, sections: tuple[Section, ...]) -> None:
    """The structured body; sections without content are left out."""
    structured = add(add(document, "component"), "structuredBody")
    for one in sections:
        if not one.empty:
            _section(structured, form, one)


def _section(parent: etree._Element, form: Form, one: Section) -> None:
    groups = [group for group in one.groups if group.blocks]
    section = _opened(parent, form, one.code, groups[0].title)
    _text(section, groups)
    if one.entries:
        one.entries(section, form)
    for part in one.parts:
        inner = _opened(section, form, part.code, form.terms.name(SECTIONS, part.code))
        if part.entries:
            part.entries(inner, form)


def _opened(parent: etree._Element, form: Form, code: str, title: str) -> etree._Element:
    section = add(add(parent, "component"), "section")
    coded(section, form, "code", form.terms.coded(SECTIONS, code), SECTIONS)
    add(section, "title", title)
    return section


def _text(section: etree._Element, groups: list[Group]) -> None:
    text = add(section, "text", ID=groups[0].key)
    for at, group in enumerate(groups):
        if at:
            add(text, "paragraph", group.title, ID=group.key, styleCode=HEADING)
        for block in group.blocks:
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
