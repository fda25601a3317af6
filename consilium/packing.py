"""What a sealed package is made from, read from the rows: signatures, opinions, journal, copy, reports."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from consilium.documents import conformance
from consilium.documents.pdf import Sheet, Stamp, render_pdf
from consilium.errors import Invalid, Unavailable
from consilium.events import SigningCompleted
from consilium.model import DissentPaper, Protocol, Signature, SignatureStatus
from consilium.parts import Parts
from consilium.seal.package import DissentFile, PersonalSignature
from consilium.seal.timestamp import VerifiedTimestamp
from consilium.seal.verdicts import signatures_json
from consilium.seal.verify import VerifiedSignature
from consilium.store import Reader
from consilium.store.tables import journal

log = logging.getLogger(__name__)

# A reason a chair wrote about a person has no place in a package that travels.
WITHHELD = frozenset({"SeatDenied", "ConsiliumCancelled", "MemberRecused"})


def packages(parts: Parts) -> Path:
    """Where packages lie; `Protocol.package_name` is the file's name there."""
    folder = parts.settings.data_dir / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def signed_rows(protocol: Protocol) -> dict[str, Signature | DissentPaper]:
    """Rows with a signature, by the names `seal.package.signed_files` gives them.

    An opinion whose signature was released stays in the protocol's text.
    """
    signatures = enumerate(_signed(protocol.current_signatures()), 1)
    named: dict[str, Signature | DissentPaper] = {f"{n:02d}-{row.role}": row for n, row in signatures}
    opinions = enumerate(_signed(protocol.current_dissents()), 1)
    return named | {f"dissent-{n:02d}": row for n, row in opinions}


def personal(protocol: Protocol) -> tuple[PersonalSignature, ...]:
    """The doctors' signatures in their order."""
    return tuple(
        PersonalSignature(role=row.role, cms=row.cms) for row in _signed(protocol.current_signatures())
    )


def opinions(protocol: Protocol) -> tuple[DissentFile, ...]:
    """Signed opinions in their order."""
    return tuple(DissentFile(xml=row.document, cms=row.cms) for row in _signed(protocol.current_dissents()))


def audit(reader: Reader, protocol: Protocol) -> bytes:
    """The journal up to the last signature: protocol, consilium (if any) and case, a JSON line a row, in its order.

    A withheld payload leaves its digest, so that every chain can still be recomputed.
    """
    table = journal.c
    done = sa.select(sa.func.max(table.position)).where(
        table.stream_id == protocol.id, table.name == SigningCompleted.__name__
    )
    streams = [one for one in (protocol.id, protocol.consilium_id, protocol.case_id) if one]
    query = (
        sa.select(journal)
        .where(table.stream_id.in_(streams), table.position <= done.scalar_subquery())
        .order_by(table.stream_kind, table.stream_id, table.seq)
    )
    rows = reader.connection.execute(query).mappings()
    return b"".join(msgspec.json.encode(_audited(dict(row))) + b"\n" for row in rows)


def copy_of(
    parts: Parts,
    protocol: Protocol,
    verified: Mapping[str, VerifiedSignature],
    stamps: Mapping[str, VerifiedTimestamp],
) -> bytes:
    """The PDF copy with its signature sheet; empty where this machine cannot make one."""
    rows = signed_rows(protocol)
    sheet = Sheet(
        stamps=tuple(
            _stamp(name, verified[name], stamps[name], rows.get(name)) for name in (*_personal(rows), "org")
        ),
        check_url=f"{parts.settings.public_origin}/check/{protocol.document_id}",
        made_at=verified["org"].signing_time,
    )
    try:
        return render_pdf(protocol.document, sheet)
    except (Unavailable, Invalid) as error:
        log.warning("packing.no_copy", extra={"protocol": str(protocol.id), "cause": error.code})
        return b""


def reports(
    parts: Parts,
    protocol: Protocol,
    verified: Mapping[str, VerifiedSignature],
    stamps: Mapping[str, VerifiedTimestamp],
    power: Mapping[str, Any],
) -> dict[str, bytes]:
    """`report/`: how the document stands to the state's format, what was found of each signature, the seal's ground."""
    found = {"signatures.json": signatures_json(verified, stamps, parts.policy)}
    try:
        found["validation.json"] = _json(
            conformance.check(protocol.document, parts.official(), parts.terms()).as_data()
        )
    except Invalid as error:
        # Papers of our own (an act of annulment) follow no guide of the state's.
        log.info("packing.no_guide", extra={"protocol": str(protocol.id), "cause": error.code})
    found["seal.json"] = _json(_ground(verified["org"], power))
    return found


def _ground(seal: VerifiedSignature, power: Mapping[str, Any]) -> dict[str, Any]:
    """By what right the organisation's key signed: its own certificate, or a power of attorney (`powers`)."""
    return {
        "signer": seal.signer.name,
        "organisation": seal.signer.organisation,
        "ogrn": seal.signer.ogrn,
        "inn": seal.signer.inn,
        "certificate_sha256": seal.certificate_sha256,
        "signing_time": seal.signing_time.isoformat(),
        "power_of_attorney": dict(power) or None,
    }


def _stamp(
    name: str,
    signature: VerifiedSignature,
    stamp: VerifiedTimestamp,
    row: Signature | DissentPaper | None,
) -> Stamp:
    return Stamp(
        holder=signature.signer.organisation if name == "org" else signature.signer.name,
        role=ROLES.get(row.role, "") if isinstance(row, Signature) else "",
        serial=signature.serial,
        issuer=signature.issuer,
        valid_from=signature.not_before,
        valid_until=signature.not_after,
        signed_at=signature.signing_time,
        algorithm=signature.algorithm,
        proven_at=stamp.time,
        organisation=name == "org",
    )


ROLES = {
    "chair": "председатель",
    "deputy": "заместитель председателя",
    "secretary": "секретарь",
    "member": "член комиссии",
    "expert": "приглашённый специалист",
    "consultant": "консультант",
    "attending": "лечащий врач",
}


def _personal(rows: Mapping[str, Signature | DissentPaper]) -> Iterable[str]:
    return (name for name, row in rows.items() if isinstance(row, Signature))


def _signed(rows: list[Any]) -> list[Any]:
    return sorted((row for row in rows if row.status is SignatureStatus.SIGNED), key=lambda row: row.order)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1, default=str).encode() + b"\n"


def _audited(row: dict[str, Any]) -> dict[str, Any]:
    row.pop("position")
    if row["name"] in WITHHELD:
        row["payload"] = None
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
