"""Elements of CDA R2: namespaces, coded values, times, identifiers. Knows no document kind.

Attributes and children are written in the order given, so that the same facts give the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from lxml import etree

from consilium.documents.editions import BASE, SNILS_ROOT, Edition
from consilium.documents.facts import Coded, ProtocolFacts
from consilium.documents.record import snils_digits
from consilium.documents.terms import Terms
from consilium.documents.wording import local

V3 = "urn:hl7-org:v3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
IDENTITY = "urn:hl7-ru:identity"
ADDRESS = "urn:hl7-ru:address"
FIAS = "urn:hl7-ru:fias"
MEDSERVICE = "urn:hl7-ru:medService"
PII = "urn:hl7-ru:PII"
NAMESPACES = {
    None: V3,
    "xsi": XSI,
    "address": ADDRESS,
    "fias": FIAS,
    "identity": IDENTITY,
    "medService": MEDSERVICE,
    "PII": PII,
}
TYPE = f"{{{XSI}}}type"
# Local identifiers below <organisation>.100.<system>.<instance>: patient, encounter, cards, set, document, entry,
# person (guides 190 and 185).
PATIENT_ARC, ENCOUNTER_ARC, INPATIENT_ARC, CARD_ARC = "10", "15", "16", "17"
SET_ARC, DOCUMENT_ARC, ENTRY_ARC, PERSON_ARC = "50", "51", "52", "70"
REGISTRY_ROOT = "1.2.643.5.1.13.13.17.1.1"  # numbers given by РЭМД
# Schematron 190, У3-4: the registry's two shapes of a number.
_REGISTRY_NUMBER = re.compile(
    r"[0-9]{2}\.[0-9]{2}\.[0-9]{3,4}\.[0-9]{9}|[0-9]{1,3}\.[0-9]{2}\.[0-9]{2}\.[0-9]{2}\.[0-9]{9}"
)
FIELDS, SECTIONS = "99.2.166", "99.2.197"


@dataclass(frozen=True, slots=True)
class Form:
    """What every part of one document is written with."""

    facts: ProtocolFacts
    edition: Edition
    terms: Terms

    def root(self, arc: str) -> str:
        """The root of this installation's identifiers of one sort."""
        facts = self.facts
        return f"{facts.organisation.oid}.100.{facts.mis_number}.{facts.instance_number}.{arc}"

    def stamp(self, value: datetime) -> str:
        """`202611231405+0300`, the time format of the guides."""
        offset = self.facts.utc_offset_minutes
        sign = "-" if offset < 0 else "+"
        hours, minutes = divmod(abs(offset), 60)
        return f"{local(value, offset):%Y%m%d%H%M}{sign}{hours:02}{minutes:02}"

    def name(self, value: Coded, dictionary: str) -> str:
        """What the reader sees for a coded value: the dictionary's name, else the words it came with."""
        return self.terms.name(dictionary, value.code, value.name) if value.code else value.name


def day_stamp(value: date) -> str:
    """`20261123`."""
    return f"{value:%Y%m%d}"


def add(
    parent: etree._Element, name: str, text: str | None = None, namespace: str = V3, **attributes: str
) -> etree._Element:
    """Append a child element with text and attributes in the given order."""
    child = etree.SubElement(parent, f"{{{namespace}}}{name}", attributes)
    child.text = text
    return child


def attributes_of(form: Form, value: Coded, dictionary: str) -> dict[str, str]:
    """The five attributes РЭМД compares with its dictionaries (codes 116 and 118)."""
    version, title = form.terms.version(dictionary)
    return {
        "code": value.code,
        "codeSystem": f"{BASE}.{dictionary}",
        "codeSystemVersion": version,
        "codeSystemName": title,
        "displayName": form.name(value, dictionary),
    }


def coded(
    parent: etree._Element, form: Form, name: str, value: Coded, dictionary: str, namespace: str = V3
) -> etree._Element:
    """A coded element. A value that was typed and has no code keeps its words and says OTH (not in the dictionary)."""
    if not value.code.strip():
        said = {"displayName": value.name} if value.name.strip() else {}
        return add(parent, name, namespace=namespace, nullFlavor="OTH" if said else "NI", **said)
    return add(parent, name, namespace=namespace, **attributes_of(form, value, dictionary))


def identifier(parent: etree._Element, root: str, extension: str) -> etree._Element:
    """An id; an unknown one is said to be unknown."""
    if not extension:
        return add(parent, "id", nullFlavor="NI")
    return add(parent, "id", root=root, extension=extension)


def snils(parent: etree._Element, value: str) -> None:
    """СНИЛС as digits alone."""
    identifier(parent, SNILS_ROOT, snils_digits(value))


def moment(
    parent: etree._Element, form: Form, value: datetime | date | None, name: str = "effectiveTime"
) -> None:
    """A time or a day; an unknown one is said to be unknown."""
    if value is None:
        add(parent, name, nullFlavor="NI")
    else:
        known = form.stamp(value) if isinstance(value, datetime) else day_stamp(value)
        add(parent, name, value=known)


def entry(section: etree._Element) -> etree._Element:
    """A coded statement of a section."""
    return add(section, "entry")


def related(parent: etree._Element) -> etree._Element:
    """A statement that belongs to another one."""
    return add(parent, "entryRelationship", typeCode="COMP")


def observation(parent: etree._Element, mood: str = "EVN") -> etree._Element:
    """An observation without its code."""
    return add(parent, "observation", classCode="OBS", moodCode=mood)


def act(parent: etree._Element, mood: str = "EVN") -> etree._Element:
    """An act without its code."""
    return add(parent, "act", classCode="ACT", moodCode=mood)


def field_code(parent: etree._Element, form: Form, code: str) -> None:
    """The code of a field (99.2.166)."""
    coded(parent, form, "code", form.terms.coded(FIELDS, code), FIELDS)


def field(parent: etree._Element, form: Form, code: str) -> etree._Element:
    """An observation of one field, to be given a value."""
    made = observation(parent)
    field_code(made, form, code)
    return made


def text_value(parent: etree._Element, text: str) -> None:
    """A value in words (ST)."""
    add(parent, "value", text.strip(), **{TYPE: "ST"})


def coded_value(parent: etree._Element, form: Form, value: Coded, dictionary: str) -> None:
    """A value of a dictionary (CD); one in words alone, or of a dictionary nobody knows, keeps its words."""
    if value.code.strip() and form.terms.knows(dictionary):
        add(parent, "value", **{TYPE: "CD"}, **attributes_of(form, value, dictionary))
    else:
        made = add(parent, "value", **{TYPE: "CD"}, nullFlavor="OTH")
        add(made, "originalText", value.name or value.code)


def flag_value(parent: etree._Element, *, yes: bool) -> None:
    """Yes or no (BL)."""
    add(parent, "value", **{TYPE: "BL"}, value="true" if yes else "false")


def number_value(parent: etree._Element, number: int) -> None:
    """A whole number (INT)."""
    add(parent, "value", **{TYPE: "INT"}, value=str(number))


def document_reference(parent: etree._Element, form: Form, local_id: str, registry_number: str) -> None:
    """A reference to another document: our id of it and the registry's number, each may be unknown.

    What does not look like a number of the registry is left to the narrative.
    """
    found = add(
        add(parent, "reference", typeCode="REFR"), "externalDocument", classCode="DOCCLIN", moodCode="EVN"
    )
    identifier(found, form.root(DOCUMENT_ARC), local_id)
    identifier(found, REGISTRY_ROOT, registry_number if _REGISTRY_NUMBER.fullmatch(registry_number) else "")
