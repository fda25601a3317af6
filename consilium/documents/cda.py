"""Facts to the bytes that are signed: one deterministic CDA R2 document.

The result is frozen: hashed, shown, signed, stored and filed as it is, never serialised again. Rendering the same
facts and terms with the same version of this code gives the same bytes (tests/consilium/documents). Header: header.py,
body: layouts.py, codes: editions.py, names: terms.py. Whether the state's rules are met is said by conformance.py.
"""

from __future__ import annotations

from lxml import etree

from consilium.documents.editions import edition
from consilium.documents.facts import ProtocolFacts
from consilium.documents.header import header
from consilium.documents.layouts import sections
from consilium.documents.markup import Form
from consilium.documents.sections import Section, write_body
from consilium.documents.terms import BUILT_IN, Terms
from consilium.documents.validate import check_facts, check_xml, require_complete
from consilium.documents.wording import local


def render(facts: ProtocolFacts, terms: Terms = BUILT_IN) -> bytes:
    """The protocol as UTF-8 XML.

    Raises Invalid: protocol_incomplete (statutory items), text_refused, invalid_field.
    """
    check_facts(facts)
    require_complete(facts)
    row = edition(facts.kind, local(facts.frozen_at, facts.utc_offset_minutes).date())
    form = Form(facts, row, terms)
    return finish(form, sections(form))


def finish(form: Form, body: tuple[Section, ...]) -> bytes:
    """Header and body as bytes that pass the gate before signing."""
    document = header(form)
    write_body(document, form, body)
    return serialise(document)


def serialise(document: etree._Element) -> bytes:
    """The one way in which bytes are made of elements. Raises Invalid as `check_xml`."""
    data: bytes = etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    check_xml(data)
    return data
