"""The copy people print: PDF/A-1a made from the very bytes that were signed, with a signature sheet (SG-13).

Text and tables come from the frozen XML, never from the database; the sheet adds what the verified signatures say:
visible stamps, a QR code to the page that checks without a sign-in, and the words "copy of the electronic document".
The XML stays the original. Fonts are embedded, nothing is fetched. The same input gives the same bytes.

PDF/A-1 is what the registry's own rules for printable documents name. PDFBox Preflight holds it to PDF/A-1b in the tests
(ISO 19005-1); the tags that make it 1a have no validator here.
"""

from __future__ import annotations

import hashlib
import io
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, NoReturn

import segno
from lxml import etree

from consilium.documents.templating import template
from consilium.documents.view import read_document
from consilium.errors import Unavailable

__all__ = ["Sheet", "Stamp", "render_pdf", "write_pdf"]

VARIANT = "pdf/a-1a"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MOSCOW = timezone(timedelta(hours=3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One visible stamp. `holder` as in the certificate; `role` in words; times aware; serial hexadecimal."""

    holder: str
    role: str
    serial: str
    issuer: str
    valid_from: datetime
    valid_until: datetime
    signed_at: datetime
    algorithm: str
    proven_at: datetime | None = None
    organisation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What stands after the text: the stamps in the order of signing, and where the file can be checked.

    `check_url` becomes the QR code; it may name the document and nothing about the patient. `flag` is a sentence
    that must not be missed (annulled), shown on every page.
    """

    stamps: tuple[Stamp, ...]
    check_url: str
    made_at: datetime
    flag: str = ""


def render_pdf(xml: bytes, sheet: Sheet) -> bytes:
    """PDF/A-1a of a frozen document, in Russian. Takes about a second of CPU.

    Raises Invalid as `view.read_document`; Unavailable("pdf_unavailable") where Pango or a font is not installed.
    """
    document = read_document(xml)
    html = template("copy.html.j2").render(
        document=document,
        sheet=sheet,
        digest=hashlib.sha256(xml).hexdigest(),
        qr=_qr(sheet.check_url),
        local=_local,
    )
    # The file's identifier: WeasyPrint would derive one from the clock.
    return write_pdf(html, hashlib.sha256(xml).digest()[:16])


def write_pdf(html: str, identifier: bytes | None = None) -> bytes:
    """PDF/A-1a of a page of ours that needs nothing from outside.

    Raises Unavailable("pdf_unavailable") where Pango or a font is not installed.
    """
    target = io.BytesIO()
    _html(html).write_pdf(
        target, pdf_variant=VARIANT, pdf_identifier=identifier, custom_metadata=False, finisher=_spell_out
    )
    return target.getvalue()


def _spell_out(document: Any, pdf: Any) -> None:
    """Say what the file is in the plainest form of XMP: elements, each property's namespace declared beside it.

    WeasyPrint writes attributes and declares above; readers of ISO 19005-1 files that are known to be strict
    (PDFBox) then do not find the declaration of PDF/A.
    """
    for one in pdf.objects:
        if getattr(one, "extra", {}).get("Type") == "/Metadata":
            one.stream[:] = [_restated(b"".join(one.stream))]


def _restated(packet: bytes) -> bytes:
    begin, end = packet.index(b"<x:xmpmeta"), packet.index(b"</x:xmpmeta>") + len(b"</x:xmpmeta>")
    meta = etree.fromstring(packet[begin:end])
    (given,) = meta
    made = etree.Element(given.tag, nsmap={"rdf": RDF})
    for described in given:
        for name, value in described.attrib.items():
            if not str(name).startswith(f"{{{RDF}}}"):
                etree.SubElement(described, str(name)).text = str(value)
        used = {etree.QName(one).namespace for one in described}
        own = {str(prefix): url for prefix, url in described.nsmap.items() if url in used}
        target = etree.SubElement(made, described.tag, {f"{{{RDF}}}about": ""}, nsmap=own)
        target.extend(list(described))
    meta.replace(given, made)
    return packet[:begin] + etree.tostring(meta, encoding="utf-8") + packet[end:]


def _html(html: str) -> Any:
    try:
        weasyprint = _weasyprint()
    except OSError as error:
        # cffi looks for Pango when it is imported: a machine without it serves everything else.
        raise Unavailable("pdf_unavailable") from error
    return weasyprint.HTML(string=html, base_url=None, url_fetcher=_refuse)


@cache
def _weasyprint() -> Any:
    import weasyprint

    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    return weasyprint


def _refuse(url: str, *args: object, **options: object) -> NoReturn:
    """Nothing in a medical document is fetched from anywhere."""
    raise ValueError(url)


def _qr(url: str) -> str:
    """An inline SVG; quiet zone of four modules, as ISO 18004 asks."""
    code: str = segno.make(url, error="m", micro=False).svg_inline(scale=1, border=4, omitsize=True)
    return code


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(MOSCOW):%d.%m.%Y %H:%M} МСК"
