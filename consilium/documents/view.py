"""A page people can read, made from the very bytes that are signed.

The frozen XML is parsed again and its narrative shown; nothing comes from the database, so what a signer reads is
what he signs. The result is a copy and says so, with the digest of the original.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from consilium.documents.annulment import TITLE as ACT_TITLE
from consilium.documents.annulment import Annulment, is_annulment, parse_annulment, shown
from consilium.documents.markup import V3
from consilium.documents.sections import HEADING
from consilium.documents.templating import template
from consilium.documents.validate import parse_xml
from consilium.errors import Invalid

LABELS: dict[str, dict[str, str]] = {
    "ru": {
        "copy": "Копия для чтения. Юридическую силу имеет подписанный файл XML.",
        "digest": "Отпечаток оригинала (SHA-256)",
        "document": "Идентификатор документа",
        "version": "Версия",
        "patient": "Пациент",
        "born": "Дата рождения",
        "custodian": "Организация",
        "number": "Номер",
        "made": "Составлен",
        "case": "Дело",
        "annulled": "Аннулируемый документ",
        "digest_of": "SHA-256 файла",
        "sealed": "Скреплён",
        "registry": "Номер в реестре",
        "reason": "Причина",
        "signers": "Акт подписывают",
    },
    "en": {
        "copy": "A reading copy. The signed XML file is what counts in law.",
        "digest": "Digest of the original (SHA-256)",
        "document": "Document id",
        "version": "Version",
        "patient": "Patient",
        "born": "Date of birth",
        "custodian": "Organisation",
        "number": "Number",
        "made": "Made",
        "case": "Case",
        "annulled": "The document that is annulled",
        "digest_of": "SHA-256 of the file",
        "sealed": "Sealed",
        "registry": "Registry number",
        "reason": "Reason",
        "signers": "Signers of the act",
    },
}


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of the narrative: a paragraph (caption, text) or a table (head, rows)."""

    kind: str
    caption: str = ""
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """What stands under one heading, as it will be shown."""

    key: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A document taken apart for the eye: `facts` are labelled values of the header."""

    title: str
    facts: tuple[tuple[str, str], ...]
    chapters: tuple[Chapter, ...]


def render_html(xml: bytes, language: str = "ru") -> str:
    """An escaped, script-free HTML fragment (`<article>`) of the document; labels in Russian or English.

    Raises Invalid when the bytes do not pass `check_xml`, Invalid("file_refused", reason="not_cda") when they are
    no ClinicalDocument.
    """
    if language not in LABELS:
        language = "ru"
    read = read_document(xml, language)
    page: str = template("protocol.html.j2").render(
        labels=LABELS[language], language=language, digest=hashlib.sha256(xml).hexdigest(), document=read
    )
    return page


def read_document(xml: bytes, language: str = "ru") -> Reading:
    """Title, header and narrative of the bytes. Raises as `render_html`."""
    document = parse_xml(xml)
    if is_annulment(document):
        return _act(parse_annulment(xml), LABELS[language])
    if document.tag != f"{{{V3}}}ClinicalDocument":
        raise Invalid("file_refused", reason="not_cda")
    labels = LABELS[language]
    sections = document.iterfind(f".//{{{V3}}}section")
    return Reading(
        title=_text(document, "title"),
        facts=tuple((labels[key], value) for key, value in _facts(document)),
        chapters=tuple(chapter for one in sections for chapter in _chapters(one)),
    )


def _act(act: Annulment, labels: dict[str, str]) -> Reading:
    """An act as it is read; its headings are Russian like the words it carries."""
    what, ru = act.annulled, LABELS["ru"]
    rows = [
        (ru["document"], what.document_id),
        (ru["number"], what.number),
        (ru["version"], str(what.version)),
        (ru["digest_of"], what.sha256),
        (ru["sealed"], shown(what.sealed_at)),
        (ru["registry"], what.registry_number),
    ]
    lines = tuple(Part("paragraph", caption=f"{name}:", text=value) for name, value in rows if value)
    signers = (f"{one.name}, {one.post} ({one.role_name.lower()})" for one in act.signers)
    return Reading(
        title=ACT_TITLE,
        facts=(
            (labels["document"], act.document_id),
            (labels["number"], act.number),
            (labels["custodian"], act.organisation),
            (labels["case"], act.case_number),
            (labels["made"], shown(act.made_at)),
        ),
        chapters=(
            Chapter("statement", what.title, (Part("paragraph", text=act.statement),)),
            Chapter("annulled", ru["annulled"], lines),
            Chapter("reason", ru["reason"], (Part("paragraph", text=act.reason),)),
            Chapter("signers", ru["signers"], tuple(Part("paragraph", text=one) for one in signers)),
        ),
    )


def _path(path: str) -> str:
    return "/".join(f"{{{V3}}}{step}" if step not in {".", ""} else step for step in path.split("/"))


def _all(element: etree._Element, path: str) -> list[etree._Element]:
    return element.findall(_path(path))


def _words(element: etree._Element | None) -> str:
    return " ".join("".join(str(part) for part in element.itertext()).split()) if element is not None else ""


def _text(element: etree._Element, path: str) -> str:
    return _words(element.find(_path(path)))


def _attribute(element: etree._Element, path: str, name: str) -> str:
    found = element.find(_path(path))
    return str(found.get(name, "")) if found is not None else ""


def _facts(document: etree._Element) -> list[tuple[str, str]]:
    patient = document.find(_path("recordTarget/patientRole/patient/name"))
    born = _attribute(document, "recordTarget/patientRole/patient/birthTime", "value")
    custodian = "custodian/assignedCustodian/representedCustodianOrganization/name"
    rows = [
        ("document", _attribute(document, "id", "extension")),
        ("version", _attribute(document, "versionNumber", "value")),
        ("patient", " ".join(_words(part) for part in patient) if patient is not None else ""),
        ("born", f"{born[6:8]}.{born[4:6]}.{born[:4]}" if born else ""),
        ("custodian", _text(document, custodian)),
    ]
    return [(key, value) for key, value in rows if value]


def _chapters(section: etree._Element) -> Iterator[Chapter]:
    """A section's words, a chapter per heading; a section whose words stand elsewhere gives none."""
    text = section.find(_path("text"))
    if text is None:
        return
    # Documents of the first issues carry the key on the section.
    key = str(text.get("ID") or section.get("ID") or "")
    title, parts = _text(section, "title"), list[Part]()
    for one in text:
        if one.get("styleCode") == HEADING:
            yield Chapter(key, title, tuple(parts))
            key, title, parts = str(one.get("ID", "")), _words(one), []
        else:
            parts.append(_part(one))
    yield Chapter(key, title, tuple(parts))


def _part(element: etree._Element) -> Part:
    if element.tag == f"{{{V3}}}table":
        head = tuple(_words(cell) for cell in _all(element, "thead/tr/th"))
        rows = tuple(tuple(_words(cell) for cell in row) for row in _all(element, "tbody/tr"))
        return Part("table", head=head, rows=rows)
    caption = element.find(_path("content"))
    if caption is None:
        return Part("paragraph", text=_words(element))
    return Part("paragraph", caption=_words(caption), text=" ".join((caption.tail or "").split()))
