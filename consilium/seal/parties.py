"""Whom a document itself names: the people who may have signed it, and the organisation it belongs to.

Read from the signed bytes, so that a good signature of somebody who has nothing to do with the document, or the seal
of another organisation around it, is no part of it. A document of another shape names nobody and settles nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

__all__ = ["Parties", "parties_of"]

CDA, IDENTITY = "{urn:hl7-org:v3}", "{urn:hl7-ru:identity}"
SNILS = "1.2.643.100.3"


@dataclass(frozen=True, slots=True)
class Parties:
    """СНИЛС of those a document names besides the patient, and ОГРН of who gives the care; empty: it does not say."""

    people: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()


def parties_of(document: bytes) -> Parties:
    """Never raises: what cannot be read names nobody."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        return Parties()
    if root.tag != f"{CDA}ClinicalDocument":
        return Parties()
    said = [one for one in root if one.tag != f"{CDA}recordTarget"]
    numbers = (one for part in said for one in part.iter(f"{CDA}id") if one.get("root") == SNILS)
    requisites = root.iterfind(f"{CDA}recordTarget//{CDA}providerOrganization//{IDENTITY}Ogrn")
    return Parties(_digits(one.get("extension") for one in numbers), _digits(one.text for one in requisites))


def _digits(values: Iterable[str | None]) -> frozenset[str]:
    read = ("".join(letter for letter in value or "" if letter.isdigit()) for value in values)
    return frozenset(one for one in read if one)
