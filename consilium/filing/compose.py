"""A filing made from the sealed document itself.

What the registry is told about signers, patient and organisation is read from the frozen bytes, so that request and
document cannot disagree (РЭМД compares them: INVALID_DOCTOR_*, LEGAL_AUTHENTICATOR_NOT_FOUND).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID

from lxml import etree

from consilium.documents.editions import SNILS_ROOT, edition_of
from consilium.documents.validate import parse_xml
from consilium.filing.port import (
    Filing,
    FilingError,
    FilingPatient,
    FilingSigner,
    OrganisationSignature,
    PersonalSignature,
)

_STAMP = "%Y%m%d%H%M%z"


def registry_kind(document: bytes) -> str | None:
    """The code of 11.1520 under which a document is filed; None for one that stays with the organisation (kind 87).

    Raises Invalid when the bytes are no checked XML.
    """
    return _kind(parse_xml(document))


def _kind(root: etree._Element) -> str | None:
    found = edition_of(_attribute(root, "templateId", "root"))
    return found.registry_kind if found else None


def compose(
    document: bytes,
    *,
    number: str,
    signatures: Mapping[str, bytes],
    seal: bytes | None,
    pull_url: str,
    callback_url: str,
    own_signers_only: bool = False,
    replaces: UUID | None = None,
) -> Filing:
    """The filing of a sealed protocol.

    `signatures`: detached CMS (DER) by person id, `seal`: the organisation's. With `own_signers_only` signatures of
    other organisations' members stay with the protocol and are not sent (SIGNER_ORG_MISMATCH). `replaces`: the id of
    the annulled version whose place this one takes; not every guide has a place for it in the document itself.
    Raises FilingError: not_filed (a kind that is not registered), signer_not_in_document.
    """
    root = parse_xml(document)
    kind = _kind(root)
    if kind is None:
        raise FilingError("Documents of this kind are not registered.", "not_filed")
    digest = hashlib.sha256(document).hexdigest()
    organisation = _attribute(root, "custodian/assignedCustodian/representedCustodianOrganization/id", "root")
    signers = {person_id: _signer(root, person_id) for person_id in signatures}
    sent = tuple(
        PersonalSignature(signer=signers[person_id], data=cms, checksum=digest)
        for person_id, cms in signatures.items()
        if not own_signers_only or signers[person_id].organisation_oid == organisation
    )
    return Filing(
        local_uid=_uid(_attribute(root, "id", "extension")),
        version=int(_attribute(root, "versionNumber", "value")),
        kind_code=kind,
        document_number=number,
        created_at=_moment(_attribute(root, "effectiveTime", "value")),
        organisation_oid=organisation,
        patient=_patient(root),
        document_sha256=digest,
        personal_signatures=sent,
        organisation_signature=OrganisationSignature(data=seal, checksum=digest) if seal else None,
        replaces=replaces,
        pull_url=pull_url,
        callback_url=callback_url,
    )


def _uid(extension: str) -> UUID:
    try:
        return UUID(extension)
    except ValueError:
        raise FilingError("The document's id is none of ours.", "not_filed") from None


def _path(path: str) -> str:
    return "/".join("{*}" + step for step in path.split("/"))


def _attribute(element: etree._Element, path: str, name: str) -> str:
    found = element.find(_path(path))
    return str(found.get(name, "")) if found is not None else ""


def _words(element: etree._Element, path: str) -> str:
    return str(element.findtext(_path(path)) or "")


def _patronymic(element: etree._Element, name: str) -> str:
    """The ministry's own element, or the second given name where the schema has none (guide 40)."""
    given = element.findall(_path(f"{name}/given"))
    return _words(element, f"{name}/Patronymic") or (str(given[1].text or "") if len(given) > 1 else "")


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, _STAMP).astimezone(UTC)


def _snils(element: etree._Element) -> str:
    ids = element.findall("{*}id")
    return next((str(one.get("extension", "")) for one in ids if one.get("root") == SNILS_ROOT), "")


def _signer(root: etree._Element, person_id: str) -> FilingSigner:
    """The signer as the document shows him: performer first, else author or authenticator."""
    for performer in root.iterfind(_path("documentationOf/serviceEvent/performer")):
        entity = performer.find("{*}assignedEntity")
        if entity is not None and _attribute(entity, "id", "extension") == person_id:
            return _worker(entity, person_id, _attribute(performer, "functionCode", "code"))
    for path in ("author/assignedAuthor", "legalAuthenticator/assignedEntity"):
        entity = root.find(_path(path))
        if entity is not None and _attribute(entity, "id", "extension") == person_id:
            return _worker(entity, person_id, "AUTHOR")
    raise FilingError("A signer is not named in the document.", "signer_not_in_document")


def _worker(entity: etree._Element, person_id: str, role: str) -> FilingSigner:
    return FilingSigner(
        local_id=person_id,
        role_code=role,
        post_code=_attribute(entity, "code", "code"),
        speciality_code="",  # the header does not carry it
        surname=_words(entity, "assignedPerson/name/family"),
        given=_words(entity, "assignedPerson/name/given"),
        patronymic=_patronymic(entity, "assignedPerson/name"),
        snils=_snils(entity),
        organisation_oid=_attribute(entity, "representedOrganization/id", "root"),
    )


def _patient(root: etree._Element) -> FilingPatient:
    role = root.find(_path("recordTarget/patientRole"))
    if role is None:
        raise FilingError("The document names no patient.", "not_filed")
    born = _attribute(role, "patient/birthTime", "value")
    return FilingPatient(
        surname=_words(role, "patient/name/family"),
        given=_words(role, "patient/name/given"),
        patronymic=_patronymic(role, "patient/name"),
        snils=_snils(role),
        birth_date=date(int(born[:4]), int(born[4:6]), int(born[6:8])) if born else None,
        sex=_attribute(role, "patient/administrativeGenderCode", "code"),
        local_id=_attribute(role, "id", "extension"),
    )
