"""The package's list of contents: ASiCManifest (ETSI EN 319 162-1, annex A.4) with a SHA-256 of every file."""

import base64
import hashlib
from collections.abc import Mapping

from lxml import etree

from consilium.seal.errors import PackageRefused

__all__ = [
    "MANIFEST",
    "MANIFEST_SIGNATURE",
    "MANIFEST_TOKEN",
    "parse_manifest",
    "render_manifest",
    "require_agreement",
]

MANIFEST = "META-INF/ASiCManifest.xml"
MANIFEST_SIGNATURE = "META-INF/signature.p7s"
MANIFEST_TOKEN = "META-INF/signature.tst"  # noqa: S105  # a timestamp token, not a secret
ASIC = "http://uri.etsi.org/02918/v1.2.1#"
DS = "http://www.w3.org/2000/09/xmldsig#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
# The list cannot hold itself, nor what is made after it; the type of the container is fixed by its reader.
UNLISTED = frozenset({"mimetype", MANIFEST, MANIFEST_SIGNATURE, MANIFEST_TOKEN})


def render_manifest(members: Mapping[str, bytes]) -> bytes:
    """The manifest of these files, in the order of their names."""
    root = etree.Element(f"{{{ASIC}}}ASiCManifest", nsmap={"asic": ASIC, "ds": DS})
    reference = etree.SubElement(root, f"{{{ASIC}}}SigReference", URI=MANIFEST_SIGNATURE)
    reference.set("MimeType", "application/x-pkcs7-signature")
    for name in sorted(set(members) - UNLISTED):
        listed = etree.SubElement(root, f"{{{ASIC}}}DataObjectReference", URI=name)
        etree.SubElement(listed, f"{{{DS}}}DigestMethod", Algorithm=SHA256)
        etree.SubElement(listed, f"{{{DS}}}DigestValue").text = _digest(members[name])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def parse_manifest(content: bytes) -> dict[str, str]:
    """Names and digests (base64 of SHA-256). Raises PackageRefused MANIFEST_FORMAT."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise PackageRefused("MANIFEST_FORMAT") from error
    listed: dict[str, str] = {}
    for reference in root.findall(f"{{{ASIC}}}DataObjectReference"):
        name, digest = reference.get("URI", ""), reference.findtext(f"{{{DS}}}DigestValue") or ""
        method = reference.find(f"{{{DS}}}DigestMethod")
        if method is None or method.get("Algorithm") != SHA256 or name in listed:
            raise PackageRefused("MANIFEST_FORMAT")
        listed[name] = digest
    return listed


def require_agreement(members: Mapping[str, bytes]) -> None:
    """Every file listed and every listed file there, unchanged. Raises PackageRefused MANIFEST_MISMATCH."""
    listed = parse_manifest(members[MANIFEST])
    for name in sorted((set(members) - UNLISTED) | set(listed)):
        if name not in members or listed.get(name) != _digest(members[name]):
            raise PackageRefused("MANIFEST_MISMATCH", name=name)
    if render_manifest(members) != members[MANIFEST]:
        raise PackageRefused("MANIFEST_FORMAT")


def _digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
