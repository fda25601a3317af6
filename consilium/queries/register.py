"""The statutory register of protocols: one line a number, per body and year, nothing left out (PR-08).

Source: 180н (journal of a commission), 947н п. 21 (corrections stay visible). A number whose paper was annulled,
replaced or is not sealed yet has its line and says so. The line of a sealed protocol goes into its package too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from consilium.documents.record import PersonName
from consilium.model import (
    Body,
    Case,
    Consilium,
    Organisation,
    Paper,
    Person,
    Protocol,
    ResolutionStatus,
    SignatureStatus,
)
from consilium.queries.shown import moment
from consilium.rules.protocol import standing_dissents
from consilium.store import Reader
from consilium.store.tables import bodies, cases, consilia, protocols

READS = frozenset({"registrar", "coordinator", "admin"})
TOGETHER = 500
LEAF = 100
DECIDED = frozenset({ResolutionStatus.ADOPTED, ResolutionStatus.REJECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. Times are ISO 8601 UTC or None; `state` is a word of the protocol's status, or annulled."""

    number: str
    decided_at: str | None
    paper: str
    kind: str
    case_number: str
    patient: str
    birth_date: str | None
    diagnosis: str
    question: str
    decision: str
    members: str
    dissents: int
    signed: int
    state: str
    sealed_at: str | None
    registry_number: str
    remark: str


def may_read(person: Person) -> bool:
    """Who keeps the register of his organisation."""
    return not READS.isdisjoint(person.duties)


def register(
    reader: Reader, person: Person, keeper: UUID | None, year: int, leaf: slice | None = None
) -> dict[str, Any]:
    """{"keepers", "keeper", "years", "lines"}: the register of a body, or of the organisation itself, for a year.

    An unknown or foreign keeper shows the organisation's own.
    """
    known = keepers(reader, person.organisation_id)
    chosen = keeper if keeper in known else person.organisation_id
    return {
        "keepers": [{"id": str(one), "name": name} for one, name in known.items()],
        "keeper": str(chosen),
        "name": known[chosen],
        "years": _years(reader, known),
        "lines": lines(reader, chosen, year, leaf),
    }


def keepers(reader: Reader, organisation_id: UUID) -> dict[UUID, str]:
    """The organisation first, then its commissions: whose numbers are counted apart."""
    own = reader.organisation(organisation_id)
    standing = reader.all(Body, bodies.c.organisation_id == organisation_id, order=(bodies.c.name,))
    return {own.id: own.name} | {one.id: one.name for one in standing}


def _years(reader: Reader, known: dict[UUID, str]) -> list[int]:
    query = sa.select(protocols.c.series).distinct()
    found = {one.rpartition(":") for one in reader.connection.execute(query).scalars()}
    mine = {str(one) for one in known}
    return sorted({int(year) for head, _, year in found if head.rpartition(":")[2] in mine}, reverse=True)


def lines(reader: Reader, keeper: UUID, year: int, leaf: slice | None = None) -> list[Line]:
    """In the order of the numbers, papers of one sort after those of another; `leaf` takes some of them."""
    ids = _ids(reader, keeper, year)
    where = protocols.c.id.in_(ids[leaf] if leaf else ids)
    found = reader.all(Protocol, where, order=_ORDER)
    _read_together(reader, found)
    return [line_of(reader, one) for one in found]


_ORDER = (protocols.c.paper.desc(), protocols.c.number)


def _ids(reader: Reader, keeper: UUID, year: int) -> list[UUID]:
    series = [f"{paper}:{keeper}:{year}" for paper in Paper]
    query = sa.select(protocols.c.id).where(protocols.c.series.in_(series)).order_by(*_ORDER)
    return list(reader.connection.execute(query).scalars())


def leaf_of(reader: Reader, person: Person, keeper: UUID | None, year: int, wanted: int) -> dict[str, Any]:
    """`register` as it is read on a screen, a leaf at a time, with {"leaf", "leaves"}; the newest unless asked."""
    chosen = keeper if keeper in keepers(reader, person.organisation_id) else person.organisation_id
    leaves = max(1, -(-len(_ids(reader, chosen, year)) // LEAF))
    leaf = min(wanted or leaves, leaves)
    some = slice((leaf - 1) * LEAF, leaf * LEAF)
    return {**register(reader, person, chosen, year, some), "leaf": leaf, "leaves": leaves}


def _read_together(reader: Reader, found: list[Protocol]) -> None:
    """What the lines speak of, into the reader's memory: some queries for all instead of some for each."""
    meetings = sorted({one.consilium_id for one in found if one.consilium_id})
    requests = sorted({one.case_id for one in found})
    for at in range(0, len(meetings), TOGETHER):
        reader.all(Consilium, consilia.c.id.in_(meetings[at : at + TOGETHER]))
    for at in range(0, len(requests), TOGETHER):
        reader.all(Case, cases.c.id.in_(requests[at : at + TOGETHER]))


def line_of(reader: Reader, protocol: Protocol) -> Line:
    """The line of one paper as it stands now."""
    case = reader.case(protocol.case_id)
    about = _of_case(reader, protocol, case) if protocol.consilium_id is None else _sat(reader, protocol)
    signed = [one for one in protocol.current_signatures() if one.status is SignatureStatus.SIGNED]
    return Line(
        number=protocol.number,
        decided_at=moment(about.at),
        paper=str(protocol.paper),
        kind=about.kind,
        case_number=case.number,
        patient=case.patient.full_name,
        birth_date=moment(case.patient.birth_date),
        diagnosis=f"{case.diagnosis_code} {case.diagnosis_name}".strip(),
        question=case.question,
        decision=about.decision,
        members=about.members,
        dissents=about.dissents,
        signed=len(signed),
        state="annulled" if protocol.annulled_at else str(protocol.status),
        sealed_at=moment(protocol.sealed_at),
        registry_number=protocol.registry_number,
        remark=_remark(reader, protocol),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What a paper came from: a meeting, or a request alone."""

    at: datetime
    kind: str
    decision: str
    members: str
    dissents: int


def _sat(reader: Reader, protocol: Protocol) -> _About:
    assert protocol.consilium_id is not None
    assert protocol.item_id is not None
    consilium = reader.consilium(protocol.consilium_id)
    item = consilium.item(protocol.item_id)
    assert item is not None
    return _About(
        at=item.closed_at or protocol.created_at,
        kind=consilium.kind,
        decision=_decision(consilium, protocol),
        members=_members(reader, consilium),
        dissents=len(standing_dissents(consilium, item)),
    )


def _of_case(reader: Reader, protocol: Protocol, case: Case) -> _About:
    """A referral: its doctor, and where to; nothing was decided yet."""
    receiver = reader.find(Organisation, case.receiver_id)
    return _About(
        at=protocol.created_at,
        kind="",
        decision=f"направлен в {receiver.name}" if receiver and protocol.paper is Paper.REFERRAL else "",
        members=_short(reader.person(case.author_id)),
        dissents=0,
    )


# What happens to the document after its package is written.
_LATER = ("state", "sealed_at", "registry_number")


def line_json(reader: Reader, protocol: Protocol) -> bytes:
    """The line for the package, bound there with document and copy by one manifest (PR-07)."""
    line = {name: value for name, value in asdict(line_of(reader, protocol)).items() if name not in _LATER}
    return msgspec.json.format(msgspec.json.encode(line), indent=1) + b"\n"


def _decision(consilium: Consilium, protocol: Protocol) -> str:
    found = [
        one for one in consilium.resolutions if one.item_id == protocol.item_id and one.status in DECIDED
    ]
    words = {ResolutionStatus.ADOPTED: "принято", ResolutionStatus.REJECTED: "отклонено"}
    ordered = sorted(found, key=lambda one: one.number)
    return "; ".join(f"{one.wording} ({words[one.status]})" for one in ordered)


def _members(reader: Reader, consilium: Consilium) -> str:
    seats = sorted(consilium.seats, key=lambda one: one.order)
    shown = (reader.person(one.person_id) for one in seats if one.role != "observer")
    return ", ".join(_short(one) for one in shown)


def _short(person: Person) -> str:
    return PersonName(surname=person.surname, given=person.given, patronymic=person.patronymic).short()


_TO = {
    Paper.PROTOCOL: "к протоколу",
    Paper.EXTRACT: "к выписке",
    Paper.ANNULMENT: "к акту",
    Paper.REFERRAL: "к направлению",
}


def _remark(reader: Reader, protocol: Protocol) -> str:
    """What binds this line to others: the paper it speaks of, the one it replaces, why it counts no more."""
    parts = []
    if protocol.parent_id:
        parent = reader.protocol(protocol.parent_id)
        parts.append(f"{_TO[parent.paper]} № {parent.number}")
    if protocol.replaces_id:
        parts.append(f"взамен № {reader.protocol(protocol.replaces_id).number}")
    if protocol.annulled_at:
        parts.append(f"аннулирован: {protocol.annul_reason}")
    if protocol.withdrawn_at:
        parts.append(f"отозван: {protocol.withdrawn_reason}")
    return "; ".join(parts)
