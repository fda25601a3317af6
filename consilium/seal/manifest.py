"""The package's lists of contents: ASiCManifest and ASiCArchiveManifest (ETSI EN 319 162-1, annex A).

The first is signed by the organisation and lists all that was sealed. Each archive manifest is timestamped and
lists every file there is before it, older lists and timestamps among them. Both are written one way only.
"""

import base64
import hashlib
from collections.abc import Mapping

from lxml import etree

from consilium.seal.errors import PackageRefused
from consilium.seal.layers import MANIFEST, MANIFEST_SIGNATURE, MANIFEST_TOKEN, layer_of, named

__all__ = [
    "MANIFEST",
    "MANIFEST_SIGNATURE",
    "MANIFEST_TOKEN",
    "parse_manifest",
    "render_archive_manifest",
    "render_manifest",
    "require_agreement",
    "require_archive_agreement",
]

ASIC = "http://uri.etsi.org/02918/v1.2.1#"
DS = "http://www.w3.org/2000/09/xmldsig#"
METHODS = {
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
}
# The list cannot hold itself, nor what is made after it; the type of the container is fixed by its reader.
UNLISTED = frozenset({"mimetype", MANIFEST, MANIFEST_SIGNATURE, MANIFEST_TOKEN})


def render_manifest(members: Mapping[str, bytes]) -> bytes:
    """The manifest of what is sealed, in the order of names."""
    listed = {name: members[name] for name in members if name not in UNLISTED and named(name) == 0}
    return _rendered((MANIFEST_SIGNATURE, "application/x-pkcs7-signature"), listed, "sha256", root="")


def render_archive_manifest(members: Mapping[str, bytes], number: int, digest: str) -> bytes:
    """The list that archive timestamp ``number`` covers: every file before it, and its own new evidence."""
    layer = layer_of(number)
    own = {layer.token, layer.covered, "mimetype"}
    listed = {name: members[name] for name in members if named(name) <= number and name not in own}
    before = MANIFEST if number == 1 else layer_of(number - 1).covered
    return _rendered((layer.token, "application/vnd.etsi.timestamp-token"), listed, digest, root=before)


def _rendered(signature: tuple[str, str], listed: Mapping[str, bytes], digest: str, root: str) -> bytes:
    top = etree.Element(f"{{{ASIC}}}ASiCManifest", nsmap={"asic": ASIC, "ds": DS})
    etree.SubElement(top, f"{{{ASIC}}}SigReference", URI=signature[0], MimeType=signature[1])
    for name in sorted(listed):
        reference = etree.SubElement(top, f"{{{ASIC}}}DataObjectReference", URI=name)
        if name == root:
            reference.set("Rootfile", "true")
        etree.SubElement(reference, f"{{{DS}}}DigestMethod", Algorithm=METHODS[digest])
        etree.SubElement(reference, f"{{{DS}}}DigestValue").text = _digest(listed[name], digest)
    return etree.tostring(top, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def parse_manifest(content: bytes) -> tuple[str, dict[str, str]]:
    """The digest's name, and digests (base64) by name. Raises PackageRefused MANIFEST_FORMAT."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        top = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise PackageRefused("MANIFEST_FORMAT") from error
    listed: dict[str, str] = {}
    methods = set()
    for reference in top.findall(f"{{{ASIC}}}DataObjectReference"):
        name, digest = reference.get("URI", ""), reference.findtext(f"{{{DS}}}DigestValue") or ""
        method = reference.find(f"{{{DS}}}DigestMethod")
        methods.add("" if method is None else method.get("Algorithm", ""))
        if name in listed:
            raise PackageRefused("MANIFEST_FORMAT")
        listed[name] = digest
    found = [name for name, uri in METHODS.items() if methods == {uri}]
    if not found:
        raise PackageRefused("MANIFEST_FORMAT")
    return found[0], listed


def require_agreement(members: Mapping[str, bytes]) -> None:
    """Every sealed file listed and every listed file there, unchanged. Raises PackageRefused MANIFEST_*."""
    names = {name for name in members if named(name) == 0} - UNLISTED
    if parse_manifest(members[MANIFEST])[0] != "sha256":
        raise PackageRefused("MANIFEST_FORMAT")
    _agreed(members, members[MANIFEST], names)
    if render_manifest(members) != members[MANIFEST]:
        raise PackageRefused("MANIFEST_FORMAT")


def require_archive_agreement(members: Mapping[str, bytes], number: int) -> str:
    """The same of an archive manifest and all that was there when it was made; the digest's name."""
    layer = layer_of(number)
    names = {name for name in members if named(name) <= number} - {layer.token, layer.covered, "mimetype"}
    digest = _agreed(members, members[layer.covered], names)
    if render_archive_manifest(members, number, digest) != members[layer.covered]:
        raise PackageRefused("MANIFEST_FORMAT")
    return digest


def _agreed(members: Mapping[str, bytes], content: bytes, names: set[str]) -> str:
    digest, listed = parse_manifest(content)
    for name in sorted(names | set(listed)):
        if name not in names or listed.get(name) != _digest(members[name], digest):
            raise PackageRefused("MANIFEST_MISMATCH", name=name)
    return digest


def _digest(content: bytes, digest: str) -> str:
    return base64.b64encode(hashlib.new(digest, content).digest()).decode()
