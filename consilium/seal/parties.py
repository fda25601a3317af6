"""Whom a document itself names: the people who may have signed it, and the organisation it belongs to.

Read from the signed bytes, so that a good signature of somebody who has nothing to do with the document, or the seal
of another organisation around it, is no part of it. A document of another shape names nobody and settles nothing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from consilium.seal.errors import PackageRefused

__all__ = ["Annuls", "Parties", "annuls_of", "parties_of", "require_plain"]

CDA, IDENTITY = "{urn:hl7-org:v3}", "{urn:hl7-ru:identity}"
ANNULMENT = "{urn:consilium:annulment:1}"
SNILS = "1.2.643.100.3"
# What a reader is shown of a stranger's text.
SHOWN = 80


@dataclass(frozen=True, slots=True)
class Parties:
    """СНИЛС of those a document names besides the patient, and ОГРН of who gives the care; empty: it does not say."""

    people: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Annuls:
    """What an act of annulment annuls: the SHA-256 of the document's bytes; and the act's own number."""

    sha256: str
    number: str

    def is_of(self, document: bytes) -> bool:
        """Whether this is the document."""
        return hashlib.sha256(document).hexdigest() == self.sha256


def annuls_of(document: bytes) -> Annuls | None:
    """What the document annuls, if it is an act (`documents/annulment.py`). Never raises."""
    # Acts are written in UTF-8; a protocol need not be parsed once more to see that it is none.
    root = _root(document) if ANNULMENT[1:-1].encode() in document else None
    if root is None or root.tag != f"{ANNULMENT}annulment":
        return None
    found = root.findall(f"{ANNULMENT}annulled")
    # An act is about one document; what names several, or none, annuls nothing.
    if len(found) != 1:
        return None
    number = "".join(one for one in root.get("number", "") if one.isprintable())
    return Annuls(found[0].get("sha256", ""), number[:SHOWN])


def require_plain(document: bytes) -> None:
    """Raises PackageRefused("DOCUMENT_NOT_PLAIN") for a document type, an entity or an instruction to whoever shows it.

    By these a browser shows other words than those that were judged (regulation 4: a document carries none).
    """
    root = _root(document)
    if root is None:
        return
    tree = root.getroottree()
    if tree.docinfo.doctype or tree.xpath("//processing-instruction()"):  # type: ignore[attr-defined]  # stubs
        raise PackageRefused("DOCUMENT_NOT_PLAIN")


def parties_of(document: bytes) -> Parties:
    """Never raises: what cannot be read names nobody."""
    root = _root(document)
    if root is None:
        return Parties()
    if root.tag == f"{ANNULMENT}annulment":
        return Parties(_digits(one.get("snils") for one in root.iter(f"{ANNULMENT}signer")))
    if root.tag != f"{CDA}ClinicalDocument":
        return Parties()
    said = [one for one in root if one.tag != f"{CDA}recordTarget"]
    numbers = (one for part in said for one in part.iter(f"{CDA}id") if one.get("root") == SNILS)
    requisites = root.iterfind(f"{CDA}recordTarget//{CDA}providerOrganization//{IDENTITY}Ogrn")
    return Parties(_digits(one.get("extension") for one in numbers), _digits(one.text for one in requisites))


def _root(document: bytes) -> etree._Element | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _digits(values: Iterable[str | None]) -> frozenset[str]:
    read = ("".join(letter for letter in value or "" if letter.isdigit()) for value in values)
    return frozenset(one for one in read if one)
