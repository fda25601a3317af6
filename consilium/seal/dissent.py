"""A dissenting opinion as a small XML document of its own, bound to the protocol by its digest (SG-12).

The author signs these bytes; nothing here is ever written again once signed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from consilium.seal.errors import PackageRefused

__all__ = ["Dissent", "parse_dissent", "render_dissent"]

NAMESPACE = "urn:consilium:dissent:1"
LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Dissent:
    """One opinion: the protocol it belongs to (SHA-256 of its bytes, hexadecimal), its author and his words."""

    protocol_sha256: str
    document_id: str
    author: str
    snils: str
    text: str
    recorded_at: datetime


def render_dissent(dissent: Dissent) -> bytes:
    """The bytes that the author signs: UTF-8 XML. Characters XML cannot carry are refused (DISSENT_FORMAT)."""
    root = etree.Element(f"{{{NAMESPACE}}}dissent", nsmap={None: NAMESPACE})  # type: ignore[dict-item]  # the stubs do not know the default namespace
    protocol = _child(root, "protocol", dissent.document_id)
    protocol.set("sha256", dissent.protocol_sha256)
    author = _child(root, "author", dissent.author)
    author.set("snils", dissent.snils)
    _child(root, "recorded", dissent.recorded_at.astimezone(UTC).isoformat(timespec="seconds"))
    _child(root, "text", dissent.text)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def parse_dissent(content: bytes) -> Dissent:
    """Read an opinion back. Raises PackageRefused DISSENT_FORMAT."""
    root = _parsed(content)
    protocol, author = _only(root, "protocol"), _only(root, "author")
    try:
        recorded = datetime.fromisoformat(_text(_only(root, "recorded")))
    except ValueError as error:
        raise PackageRefused("DISSENT_FORMAT") from error
    return Dissent(
        protocol_sha256=protocol.get("sha256", ""),
        document_id=_text(protocol),
        author=_text(author),
        snils=author.get("snils", ""),
        text=_text(_only(root, "text")),
        recorded_at=recorded,
    )


def _parsed(content: bytes) -> etree._Element:
    if len(content) > LIMIT:
        raise PackageRefused("DISSENT_FORMAT")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise PackageRefused("DISSENT_FORMAT") from error
    # A document type could show a reader something else than what is compared here.
    if root.getroottree().docinfo.internalDTD is not None or root.tag != f"{{{NAMESPACE}}}dissent":
        raise PackageRefused("DISSENT_FORMAT")
    return root


def _child(parent: etree._Element, name: str, text: str) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    try:
        child.text = text
    except ValueError as error:
        raise PackageRefused("DISSENT_FORMAT") from error
    return child


def _only(root: etree._Element, name: str) -> etree._Element:
    found = root.findall(f"{{{NAMESPACE}}}{name}")
    if len(found) != 1 or len(found[0]):
        raise PackageRefused("DISSENT_FORMAT")
    return found[0]


def _text(element: etree._Element) -> str:
    return element.text or ""
