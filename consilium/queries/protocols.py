"""Protocols as pages, the signing desk and the registry see them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from cryptography import x509

from consilium import drafts
from consilium.errors import NotFound
from consilium.model import (
    AgendaItem,
    Case,
    Consilium,
    DissentPaper,
    Paper,
    Person,
    Protocol,
    ProtocolStatus,
    Signature,
    SignatureStatus,
)
from consilium.model.particulars import digest_of
from consilium.queries.papers import papers_of, referral_papers_of, rights, state_of
from consilium.queries.protocol_facts import protocol_facts
from consilium.queries.shown import moment, names_of
from consilium.queries.turns import place_line, turn_line
from consilium.rules import protocol as rules
from consilium.rules import referrals, signing, turns
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import ExpectedSigner
from consilium.seal.reasons import REASONS, sentence
from consilium.seal.verify import verify
from consilium.store import Reader
from consilium.store.tables import protocols

if TYPE_CHECKING:
    from consilium.parts import Parts


def seen_protocol(
    reader: Reader, person: Person, protocol_id: UUID
) -> tuple[Protocol, Consilium, AgendaItem, Case]:
    """A consilium's paper. Raises NotFound for whom it does not exist, and for a case's own."""
    protocol, consilium, item, case = seen_paper(reader, person, protocol_id)
    if consilium is None or item is None:
        raise NotFound
    return protocol, consilium, item, case


def seen_paper(
    reader: Reader, person: Person, protocol_id: UUID
) -> tuple[Protocol, Consilium | None, AgendaItem | None, Case]:
    """Any paper; a referral, and the act about one, has neither consilium nor item. Raises NotFound."""
    protocol = reader.protocol(protocol_id)
    case = reader.case(protocol.case_id)
    if protocol.consilium_id is None or protocol.item_id is None:
        if not referrals.sees(protocol, case, person, reader.find(Consilium, case.consilium_id)):
            raise NotFound
        return protocol, None, None, case
    consilium = reader.consilium(protocol.consilium_id)
    item = consilium.item(protocol.item_id)
    if item is None or not rules.sees_protocol(consilium, item, case, person):
        raise NotFound
    return protocol, consilium, item, case


def protocol_by_document(reader: Reader, document_id: UUID) -> Protocol:
    """By the id of its frozen document: how a registry names it. Raises NotFound."""
    query = sa.select(protocols.c.id).where(protocols.c.document_id == document_id)
    found = reader.connection.execute(query).scalar()
    if found is None:
        raise NotFound
    return reader.protocol(found)


def frozen_document(reader: Reader, person: Person, protocol_id: UUID) -> bytes:
    """The frozen bytes as they are signed. Raises NotFound while there are none."""
    protocol, _, _, _ = seen_paper(reader, person, protocol_id)
    if not protocol.document:
        raise NotFound
    return protocol.document


def pulled_document(reader: Reader, document_id: UUID) -> tuple[bytes, str]:
    """Bytes and sha256 (hex) for the registry, once sealed; its right is proven by `filing.callback`.

    Only of what is filed there: a commission's protocol stays with the organisation (kind 87).
    """
    protocol = protocol_by_document(reader, document_id)
    if protocol.status is not ProtocolStatus.SEALED or not protocol.filing_state:
        raise NotFound
    return protocol.document, protocol.digest


def package_of(reader: Reader, person: Person, protocol_id: UUID) -> tuple[str, str]:
    """(file name in `sealing.packages`, sha256 hex) of the sealed package. Raises NotFound."""
    protocol, _, _, _ = seen_paper(reader, person, protocol_id)
    if not protocol.package_name:
        raise NotFound
    return protocol.package_name, protocol.package_digest


def protocol_page(
    reader: Reader, person: Person, protocol_id: UUID, at: datetime, parts: Parts | None = None
) -> dict[str, Any]:
    """Everything the page of one protocol shows. With `parts` every signature is verified anew."""
    protocol, consilium, item, case = seen_paper(reader, person, protocol_id)
    rows = protocol.current_signatures()
    names = names_of(
        reader, [one.person_id for one in protocol.signatures] + [one.person_id for one in protocol.dissents]
    )
    return {
        "id": str(protocol.id),
        "number": protocol.number,
        "paper": str(protocol.paper),
        "status": str(protocol.status),
        "state": state_of(protocol),
        "waits": _waits(protocol, person.language),
        "reason": protocol.withdrawn_reason or protocol.annul_reason or protocol.reason,
        "addressee": protocol.addressee,
        "papers": papers_of(reader, item.id) if item else referral_papers_of(reader, case.id),
        "version": protocol.version,
        "created_at": moment(protocol.created_at),
        "digest": protocol.digest,
        "outcome": digest_of(protocol.particulars),
        "size": len(protocol.document),
        "frozen_at": moment(protocol.frozen_at),
        "order": protocol.signing_order,
        "sealed_at": moment(protocol.sealed_at),
        "case": {"id": str(case.id), "number": case.number, "patient": case.patient.full_name},
        "consilium": _consilium_line(consilium),
        "item": str(item.id) if item else None,
        "can": [*allowed(protocol, consilium, person), *rights(reader, protocol, consilium, case, person)],
        "next": str(protocol.status)
        if protocol.status is not ProtocolStatus.SEALED
        else f"filing.{protocol.filing}",
        "signatures": [
            {
                **_row(one, person, names),
                "role": one.role,
                "position": _position(reader, consilium, one),
                "opened_at": moment(one.opened_at),
                "check": _check(reader, parts, one, protocol.document, person.language, at),
                **turn_line(protocol, one, names, at),
                **_place(reader, protocol, consilium, item, one, person, at),
            }
            for one in sorted(rows, key=lambda one: one.order)
        ],
        "dissents": [
            {
                **_row(one, person, names),
                "dissent": str(one.dissent_id),
                "digest": one.digest,
                "check": _check(reader, parts, one, one.document, person.language, at),
            }
            for one in sorted(protocol.current_dissents(), key=lambda one: one.order)
        ],
        "my_dissents": my_papers(protocol, consilium, person),
        "fallen": _fallen(protocol, names),
        "package": _package(protocol),
        "filing": filing_line(protocol),
        "draft": _draft(reader, protocol) if protocol.status is ProtocolStatus.DRAFTING else {},
    }


def _consilium_line(consilium: Consilium | None) -> dict[str, str] | None:
    if consilium is None:
        return None
    return {
        "id": str(consilium.id),
        "number": consilium.number,
        "kind": consilium.kind,
        "status": str(consilium.status),
    }


def _position(reader: Reader, consilium: Consilium | None, row: Signature) -> str:
    """The post he sat in; without a consilium, his own."""
    seat = consilium.seat(row.seat_id) if consilium else None
    return seat.position if seat else reader.person(row.person_id).position


def _place(
    reader: Reader,
    protocol: Protocol,
    consilium: Consilium | None,
    item: AgendaItem | None,
    row: Signature,
    person: Person,
    at: datetime,
) -> dict[str, Any]:
    """As `turns.place_line`; nobody stands in for the doctor of a referral."""
    if consilium is None or item is None:
        return {"excuse": False, "stand_ins": [], "stand_in": "", "means": row.provider}
    body = reader.body(consilium.body_id) if consilium.body_id else None
    return place_line(protocol, consilium, item, body, row, person, at)


def _waits(protocol: Protocol, language: str) -> dict[str, Any] | None:
    """For whom the seal waits, since when, and what he answered last, in words."""
    if not protocol.waits_for:
        return None
    reason = protocol.waits_reason
    return {
        "for": protocol.waits_for,
        "since": moment(protocol.waits_since),
        "reason": reason,
        "said": sentence(reason, language) if reason in REASONS else "",
    }


def protocol_status(reader: Reader, person: Person, protocol_id: UUID) -> dict[str, Any]:
    """Where it stands, without the text: for a page or a script that waits for the registry."""
    protocol, _, _, _ = seen_paper(reader, person, protocol_id)
    return {
        "id": str(protocol.id),
        "number": protocol.number,
        "paper": str(protocol.paper),
        "status": str(protocol.status),
        "waits_for": protocol.waits_for,
        "annulled_at": moment(protocol.annulled_at),
        "version": protocol.version,
        "digest": protocol.digest,
        "filing": str(protocol.filing),
        "registry_number": protocol.registry_number,
        "registered_at": moment(protocol.registered_at),
    }


def allowed(protocol: Protocol, consilium: Consilium | None, person: Person) -> list[str]:
    """Subset of sign, decline, edit, freeze, reopen, release, file_again."""
    seat = consilium.seat_of(person.id) if consilium else None
    edits = consilium is not None and seat is not None and rules.may_edit(consilium, seat)
    leads = consilium is not None and seat is not None and rules.leads(consilium, seat)
    drafting = protocol.status is ProtocolStatus.DRAFTING
    under_way = protocol.status is ProtocolStatus.SIGNING
    mine = signing.awaited_of(protocol, person.id) if under_way else []
    registers = person.organisation_id == protocol.organisation_id and not {
        "registrar",
        "coordinator",
    }.isdisjoint(person.duties)
    rights = {
        "sign": any(not turns.ahead_of(protocol, one) for one in mine),
        "decline": any(isinstance(one, Signature) for one in mine),
        "edit": edits and drafting,
        "freeze": edits and drafting,
        "reopen": edits
        and protocol.paper is Paper.PROTOCOL
        and (under_way or protocol.status is ProtocolStatus.SEALING),
        "release": under_way and edits and leads,
        "file_again": registers and protocol.annulled_at is None and protocol.filing in {"rejected", "dead"},
    }
    return [name for name, granted in rights.items() if granted]


def _row(one: Signature | DissentPaper, person: Person, names: dict[UUID | None, str]) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "person": str(one.person_id),
        "name": names.get(one.person_id, ""),
        "me": one.person_id == person.id,
        "status": str(one.status),
        "reason": one.reason,
        "signed_at": moment(one.signed_at) if one.status is SignatureStatus.SIGNED else None,
        "certificate": _certificate(one.certificate),
    }


def _certificate(der: bytes) -> dict[str, Any] | None:
    if not der:
        return None
    loaded = x509.load_der_x509_certificate(der)
    return {
        "serial": f"{loaded.serial_number:x}",
        "sha256": hashlib.sha256(der).hexdigest(),
        "not_before": loaded.not_valid_before_utc.isoformat(),
        "not_after": loaded.not_valid_after_utc.isoformat(),
    }


def _check(
    reader: Reader,
    parts: Parts | None,
    one: Signature | DissentPaper,
    document: bytes,
    language: str,
    at: datetime,
) -> dict[str, Any] | None:
    """The strict verifier's word on a stored signature, now: {ok, code, sentence}."""
    if parts is None or one.status is not SignatureStatus.SIGNED:
        return None
    signer = reader.person(one.person_id)
    given = " ".join(part for part in (signer.given, signer.patronymic) if part)
    expected = ExpectedSigner.person(snils=signer.snils, surname=signer.surname, given=given)
    try:
        verify(document, one.cms, policy=parts.policy, trust=parts.trust(), at=at, signer=expected)
    except SignatureRefused as refused:
        return {"ok": False, "code": refused.code, "sentence": refused.message(language)}
    return {"ok": True, "code": "OK", "sentence": sentence("OK", language)}


def my_papers(protocol: Protocol, consilium: Consilium | None, person: Person) -> list[dict[str, Any]]:
    """One's own dissenting opinions of this version, with their words."""
    texts = {one.id: one.text for one in consilium.dissents} if consilium else {}
    return [
        {
            "id": str(one.dissent_id),
            "digest": one.digest,
            "text": texts.get(one.dissent_id, ""),
            "status": str(one.status),
        }
        for one in protocol.current_dissents()
        if one.person_id == person.id
    ]


def _fallen(protocol: Protocol, names: dict[UUID | None, str]) -> list[dict[str, Any]]:
    """Earlier versions: how many had signed, and who declined with which reason."""
    lines: list[dict[str, Any]] = []
    for version in sorted({one.version for one in protocol.signatures if one.version < protocol.version}):
        rows = [one for one in protocol.signatures if one.version == version]
        declined = next((one for one in rows if one.status is SignatureStatus.DECLINED), None)
        lines.append(
            {
                "version": version,
                "signed": sum(one.status is SignatureStatus.SIGNED for one in rows),
                "reason": declined.reason if declined else "",
                "name": names.get(declined.person_id, "") if declined else "",
            }
        )
    return lines


def _package(protocol: Protocol) -> dict[str, str] | None:
    if not protocol.package_name:
        return None
    return {"name": protocol.package_name, "digest": protocol.package_digest}


def filing_line(protocol: Protocol) -> dict[str, Any]:
    """Where the filing stands; sentences for the codes are `filing.codes`'."""
    return {
        "status": str(protocol.filing),
        "attempts": protocol.filing_attempts,
        "message": protocol.filing_message,
        "error_codes": protocol.filing_error_codes,
        "next_try": moment(protocol.filing_next_try),
        "registry_number": protocol.registry_number,
        "registered_at": moment(protocol.registered_at),
    }


def _draft(reader: Reader, protocol: Protocol) -> dict[str, str]:
    return drafts.texts(update for _, update in reader.draft_updates(protocol.id))


def draft_facts(reader: Reader, person: Person, protocol_id: UUID, at: datetime) -> Any:
    """`documents.facts.ProtocolFacts` of the draft as it stands now, to preview or to name what is missing."""
    protocol, consilium, _, case = seen_protocol(reader, person, protocol_id)
    prose = drafts.texts(update for _, update in reader.draft_updates(protocol.id))
    return protocol_facts(reader, protocol, consilium, case, prose, at)
