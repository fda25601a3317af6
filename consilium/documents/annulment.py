"""The act that annuls a sealed document: a small XML document of its own, signed and sealed like any other (SG-15).

It names what it annuls by id, digest and number, and says why and by whom; of the patient it says nothing. No state
format exists for it (947н п. 21 only demands that earlier versions are kept), so the form is ours and stays local.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from lxml import etree

from consilium.documents.text import check_text
from consilium.documents.validate import parse_xml
from consilium.errors import Invalid

NAMESPACE = "urn:consilium:annulment:1"
TITLE = "Акт об аннулировании электронного медицинского документа"
# The wording the signers put their names to; times are Moscow's, as in the protocol (utc_offset_minutes 180).
STATEMENT = (
    "Документ, указанный ниже, признан не имеющим силы с момента скрепления настоящего акта подписью организации. "
    "Файл документа, его подписи и отметки времени не изменены, хранятся и могут быть проверены. "
    "Исправление оформляется новой версией документа."
)
_MOSCOW = timezone(timedelta(hours=3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Annulled:
    """What loses its force: id, set, version and SHA-256 (hex) of the frozen bytes; `title` and `number` for people."""

    document_id: str
    set_id: str
    version: int
    sha256: str
    title: str
    number: str
    sealed_at: datetime
    registry_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActSigner:
    """Who signs the act; `role` is a code of 99.2.368 and `role_name` its words."""

    person_id: str
    name: str
    post: str
    snils: str
    role: str
    role_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annulment:
    """One act. `case_number` leads those who may know to the patient, and nobody else."""

    document_id: str
    set_id: str
    number: str
    organisation_oid: str
    organisation: str
    case_number: str
    made_at: datetime
    annulled: Annulled
    reason: str
    signers: tuple[ActSigner, ...]
    statement: str = STATEMENT


def render_annulment(act: Annulment) -> bytes:
    """The bytes that are signed: UTF-8 XML.

    Raises Invalid("text_refused") for characters that XML or a reader's eye cannot take.
    """
    _check(act)
    root = etree.Element(f"{{{NAMESPACE}}}annulment", nsmap={None: NAMESPACE})  # type: ignore[dict-item]  # the stubs do not know the default namespace
    root.set("id", act.document_id)
    root.set("setId", act.set_id)
    root.set("version", "1")
    root.set("number", act.number)
    _child(root, "title", TITLE)
    _child(root, "organisation", act.organisation, oid=act.organisation_oid)
    _child(root, "case", act.case_number)
    _child(root, "made", _stamp(act.made_at))
    _child(root, "statement", act.statement)
    _annulled(root, act.annulled)
    _child(root, "reason", act.reason)
    signers = _child(root, "signers")
    for one in act.signers:
        attributes = {"id": one.person_id, "role": one.role, "roleName": one.role_name, "post": one.post}
        _child(signers, "signer", one.name, **attributes, snils=one.snils)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _check(act: Annulment) -> None:
    for text in (act.organisation, act.case_number, act.number, act.annulled.title, act.annulled.number):
        check_text(text, "annulled")
    for one in act.signers:
        check_text(f"{one.name}{one.post}{one.role_name}", "signers")
    check_text(act.reason, "reason")


def _annulled(root: etree._Element, one: Annulled) -> None:
    _child(
        root,
        "annulled",
        one.title,
        id=one.document_id,
        setId=one.set_id,
        version=str(one.version),
        number=one.number,
        sha256=one.sha256,
        sealed=_stamp(one.sealed_at),
        registryNumber=one.registry_number,
    )


def _child(parent: etree._Element, name: str, text: str = "", **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text or None
    for key, value in attributes.items():
        if value:
            child.set(key, value)
    return child


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def is_annulment(root: etree._Element) -> bool:
    """Whether parsed bytes are an act."""
    return root.tag == f"{{{NAMESPACE}}}annulment"


def parse_annulment(content: bytes) -> Annulment:
    """Read an act back, from bytes of anybody. Raises Invalid file_refused, and as `parse_xml`."""
    root = parse_xml(content)
    if not is_annulment(root):
        raise Invalid("file_refused", reason="not_annulment")
    try:
        return _read(root)
    except (LookupError, ValueError) as error:
        raise Invalid("file_refused", reason="not_annulment") from error


def _read(root: etree._Element) -> Annulment:
    what = _only(root, "annulled")
    organisation = _only(root, "organisation")
    return Annulment(
        document_id=str(root.attrib["id"]),
        set_id=str(root.attrib["setId"]),
        number=str(root.attrib["number"]),
        organisation_oid=organisation.get("oid", ""),
        organisation=organisation.text or "",
        case_number=_only(root, "case").text or "",
        made_at=_moment(_only(root, "made").text),
        annulled=Annulled(
            document_id=str(what.attrib["id"]),
            set_id=str(what.attrib["setId"]),
            version=int(what.attrib["version"]),
            sha256=str(what.attrib["sha256"]),
            title=what.text or "",
            number=str(what.attrib["number"]),
            sealed_at=_moment(what.get("sealed")),
            registry_number=what.get("registryNumber", ""),
        ),
        reason=_only(root, "reason").text or "",
        signers=tuple(_signer(one) for one in _only(root, "signers")),
        statement=_only(root, "statement").text or "",
    )


def _signer(one: etree._Element) -> ActSigner:
    return ActSigner(
        person_id=one.get("id", ""),
        name=one.text or "",
        post=one.get("post", ""),
        snils=one.get("snils", ""),
        role=one.get("role", ""),
        role_name=one.get("roleName", ""),
    )


def _only(root: etree._Element, name: str) -> etree._Element:
    (found,) = root.findall(f"{{{NAMESPACE}}}{name}")
    return found


def _moment(stamp: str | None) -> datetime:
    found = datetime.fromisoformat(stamp or "")
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found


def shown(at: datetime) -> str:
    """`23.11.2026 12:40 (МСК)`."""
    return at.astimezone(_MOSCOW).strftime("%d.%m.%Y %H:%M (МСК)")
