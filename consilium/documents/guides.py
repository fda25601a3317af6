"""The state's guides of one folder: the XML schema and the schematron of each kind of document, loaded once.

The folder is what the ministry's validator ships: `guides/<number>/CDA.xsd` and `guides/<number>.sch`, the number
being the document's code in 1.2.643.5.1.13.13.11.1520. It is installed, never part of the program.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from consilium.documents import schematron
from consilium.documents.editions import edition_of
from consilium.documents.schematron import GuideRefused, Schematron

SCHEMA = "CDA.xsd"
MAX_GUIDES = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """One complaint of the XML schema: libxml2's name of it, where (XPath), its words."""

    name: str
    path: str
    words: str


@dataclass(frozen=True, slots=True)
class Guide:
    """What one kind of document is judged by; either half may be absent."""

    number: str
    schema: etree.XMLSchema | None
    rules: Schematron | None
    lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def schema_faults(self, document: etree._Element) -> tuple[Fault, ...]:
        """What the schema objects to; empty for a valid document, and where there is no schema."""
        if self.schema is None:
            return ()
        with self.lock:  # the schema keeps its complaints in itself
            if self.schema.validate(document):
                return ()
            return tuple(
                Fault(str(one.type_name), str(one.path or ""), str(one.message))
                for one in self.schema.error_log  # type: ignore[attr-defined]  # the stubs forget that it is a list
            )


@dataclass(frozen=True, slots=True)
class Official:
    """Guides by number, and which of them a document's templateId asks for."""

    folder: Path
    guides: dict[str, Guide] = field(repr=False)
    refused: dict[str, str]

    @classmethod
    def load(cls, folder: Path) -> Official | None:
        """Read every guide of the folder; None when there is none. A file that is no guide is told in `refused`."""
        base = folder / "guides"
        if not base.is_dir():
            return None
        numbers = {one.stem for one in base.iterdir() if one.is_dir() or one.suffix == ".sch"}
        guides: dict[str, Guide] = {}
        refused: dict[str, str] = {}
        for number in sorted(numbers)[:MAX_GUIDES]:
            try:
                guides[number] = _guide(base, number)
            except GuideRefused as error:
                refused[number] = str(error)
        return cls(folder, guides, refused) if guides or refused else None

    def guide_for(self, template: str) -> Guide | None:
        """The guide of a templateId/@root; its own schematron says which, else our table of editions."""
        for one in self.guides.values():
            if template and one.rules is not None and one.rules.template == template:
                return one
        row = edition_of(template)
        return self.guides.get(row.registry_kind) if row is not None and row.registry_kind else None


def _guide(base: Path, number: str) -> Guide:
    schema, rules = base / number / SCHEMA, base / f"{number}.sch"
    return Guide(
        number,
        load_schema(schema) if schema.is_file() else None,
        schematron.load(rules) if rules.is_file() else None,
    )


def load_schema(path: Path) -> etree.XMLSchema:
    """Raises GuideRefused for a file that is no XML schema."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.XMLSchema(etree.parse(str(path), parser))
    except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
        raise GuideRefused(f"{path.parent.name}/{path.name}: {error}") from error
