"""People, bodies, routes, certificates and code lists of one organisation."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from consilium.directory import nsi
from consilium.model import Body, Certificate, Person
from consilium.queries.shown import moment, names_of, organisation_names
from consilium.rules import codes
from consilium.store import Reader
from consilium.store.tables import bodies, certificates, people


def people_page(reader: Reader, person: Person, at: datetime) -> list[dict[str, Any]]:
    """Everybody of one's own organisation."""
    found = reader.people(person.organisation_id)
    until = _valid_until(reader, {one.id for one in found}, at)
    return [
        {
            "id": str(one.id),
            "login": one.login,
            "name": one.full_name,
            "position": one.position,
            "speciality": one.speciality,
            "duties": one.duties,
            "active": one.active,
            "certificate_until": until.get(one.id),
        }
        for one in found
    ]


def own_organisation(reader: Reader, person: Person) -> dict[str, str]:
    """What documents say of one's own organisation, and what its administrator may change of it."""
    one = reader.organisation(person.organisation_id)
    names = (
        "name", "oid", "ogrn", "inn", "okpo", "phone", "address", "region", "region_name", "postal_code", "licence",
        "licence_issuer",
    )  # fmt: skip
    return {name: getattr(one, name) for name in names}


def _valid_until(reader: Reader, persons: set[UUID], at: datetime) -> dict[UUID, str]:
    table = certificates.c
    query = (
        sa.select(table.person_id, sa.func.max(table.not_after).label("until"))
        .where(table.person_id.in_(persons), table.revoked_at.is_(None), table.not_after > at)
        .group_by(table.person_id)
    )
    return {row.person_id: row.until.isoformat() for row in reader.connection.execute(query)}


def own_certificates(reader: Reader, person: Person, at: datetime) -> list[dict[str, Any]]:
    """One's own signing certificates, newest first; state: valid, expired, revoked."""
    return [
        {
            "id": str(one.id),
            "serial": one.serial,
            "sha256": hashlib.sha256(one.der).hexdigest(),
            "not_before": moment(one.not_before),
            "not_after": moment(one.not_after),
            "issued_at": moment(one.issued_at),
            "revoked_at": moment(one.revoked_at),
            "state": certificate_state(one, at),
        }
        for one in reader.certificates(person.id)
    ]


def certificate_state(one: Certificate, at: datetime) -> str:
    """valid, expired or revoked."""
    if one.revoked_at is not None:
        return "revoked"
    return "valid" if one.not_before <= at <= one.not_after else "expired"


def bodies_page(reader: Reader, person: Person, at: datetime) -> dict[str, Any]:
    """{bodies, routes, organisations, people}: who decides here, and the ways in and out."""
    return {
        "bodies": own_bodies(reader, person, at),
        "routes": routes_of(reader, person),
        "organisations": other_organisations(reader, person),
        "people": [
            {"id": str(one.id), "name": one.full_name, "position": one.position}
            for one in reader.people(person.organisation_id)
            if one.active and "doctor" in one.duties
        ],
    }


def own_bodies(reader: Reader, person: Person, at: datetime) -> list[dict[str, Any]]:
    """Standing commissions of one's own organisation, members by date (AD-01)."""
    found = reader.all(Body, bodies.c.organisation_id == person.organisation_id, order=(bodies.c.order_date,))
    ids = {one.person_id for body in found for one in body.members}
    persons = {one.id: one for one in reader.all(Person, people.c.id.in_(ids))}
    workplaces = organisation_names(reader, {one.organisation_id for one in persons.values()})
    names = names_of(reader, ids)
    return [
        {
            "id": str(body.id),
            "name": body.name,
            "order_number": body.order_number,
            "order_date": moment(body.order_date),
            "members": [
                {
                    "person": str(one.person_id),
                    "name": names[one.person_id],
                    "position": persons[one.person_id].position,
                    "organisation": workplaces[persons[one.person_id].organisation_id],
                    "role": one.role,
                    "since": moment(one.since),
                    "until": moment(one.until),
                    "current": one.since <= at.date() and (one.until is None or at.date() <= one.until),
                    "deputises_for": str(one.deputises_for) if one.deputises_for else None,
                    "deputises_for_name": names.get(one.deputises_for, "") if one.deputises_for else "",
                }
                for one in body.members
            ],
        }
        for body in found
    ]


def routes_of(reader: Reader, person: Person) -> list[tuple[str, list[dict[str, Any]]]]:
    """[("outgoing", rows), ("incoming", rows)] of one's own organisation."""
    own = person.organisation_id
    outgoing, incoming = reader.routes(sender_id=own), reader.routes(receiver_id=own)
    names = organisation_names(
        reader, {one.receiver_id for one in outgoing} | {one.sender_id for one in incoming}
    )

    def row(route_id: UUID, profile: str, other: UUID, *, is_open: bool) -> dict[str, Any]:
        return {
            "id": str(route_id),
            "profile": profile,
            "other": names[other],
            "other_id": str(other),
            "open": is_open,
        }

    return [
        ("outgoing", [row(one.id, one.profile, one.receiver_id, is_open=one.open) for one in outgoing]),
        ("incoming", [row(one.id, one.profile, one.sender_id, is_open=one.open) for one in incoming]),
    ]


def open_routes(reader: Reader, person: Person) -> list[dict[str, Any]]:
    """Where one may send a request: [{id, name, profiles}] over open routes (RQ-01)."""
    found = [one for one in reader.routes(sender_id=person.organisation_id) if one.open]
    organisations = {one.receiver_id: reader.organisation(one.receiver_id) for one in found}
    return [
        {
            "id": str(organisation.id),
            "name": organisation.name,
            "profiles": sorted(one.profile for one in found if one.receiver_id == organisation.id),
        }
        for organisation in sorted(organisations.values(), key=lambda one: one.name)
    ]


def other_organisations(reader: Reader, person: Person) -> list[dict[str, str]]:
    """Organisations a route may be opened to."""
    return [
        {"id": str(one.id), "name": one.name}
        for one in reader.organisations()
        if one.id != person.organisation_id
    ]


def code_lists(language: str, semd_dir: Path | None = None) -> dict[str, Any]:
    """Code lists of the request form; Russian names from the official files where they are installed."""
    goal_names = nsi.dictionary("11.1506", semd_dir)
    return {
        "goals": [
            {
                "code": one.code,
                "name": goal_names.name(one.code) if language == "ru" else one.en,
                "consultation": one.consultation,
                "commission": one.commission,
            }
            for one in codes.GOALS.values()
        ],
        "urgencies": [
            {
                "code": code,
                "name": codes.URGENCIES[code].ru if language == "ru" else codes.URGENCIES[code].en,
                "seconds": int(codes.DEADLINES[code].total_seconds()),
            }
            for code in reversed(codes.URGENCY_ORDER)
        ],
        "refusal_reasons": list(codes.REFUSAL_REASONS),
    }
