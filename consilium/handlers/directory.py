"""People, routes, bodies, certificates, one's own settings. Administrators act in their own organisation."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from cryptography import x509

from consilium import commands as c
from consilium.directory import passwords
from consilium.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from consilium.events import (
    BodyEstablished,
    CertificateIssued,
    CertificateRevoked,
    DirectoryEvent,
    OrganisationChanged,
    PasswordChanged,
    PersonAdded,
    RegisterExported,
    RouteOpened,
    SettingsChanged,
)
from consilium.handlers.asker import Table, person_of, tidied
from consilium.model import Body, BodyMember, Certificate, Person, Route
from consilium.queries import register
from consilium.rules import request, schedule
from consilium.seal.authority import DemoAuthority, PersonSubject
from consilium.seal.errors import RequestRefused
from consilium.store.tables import people

if TYPE_CHECKING:
    from consilium.context import Context


def change_settings(context: Context, command: c.ChangeSettings) -> dict[str, Any]:
    person = person_of(context)
    person.language = command.language or person.language
    person.theme = command.theme or person.theme
    _record(context, SettingsChanged(person=person.id), person.organisation_id)
    return {"language": person.language, "theme": person.theme}


def change_password(context: Context, command: c.ChangePassword) -> dict[str, Any]:
    person = person_of(context)
    if not passwords.matches(person.password_hash, command.current):
        raise Unauthenticated("bad_credentials")
    person.password_hash = passwords.hashed(command.new)
    _record(context, PasswordChanged(person=person.id), person.organisation_id)
    return {}


def add_person(context: Context, command: c.AddPerson) -> dict[str, Any]:
    """By an administrator of the organisation, or by the operator's command line."""
    organisation_id = _administered(context, command.organisation)
    if not request.snils_is_valid(command.snils):
        raise Invalid("invalid_field", field="snils")
    if context.tx.all(Person, people.c.login == command.login):
        raise Conflict("duplicate", field="login")
    person = Person(
        id=uuid4(),
        organisation_id=organisation_id,
        login=command.login,
        password_hash=passwords.hashed(command.password),
        surname=_name(command.surname, "surname"),
        given=_name(command.given, "given"),
        patronymic=tidied(command.patronymic, "patronymic"),
        snils=command.snils,
        position=_name(command.position, "position"),
        position_code=tidied(command.position_code, "position_code"),
        speciality=tidied(command.speciality, "speciality"),
        duties=sorted(set(command.duties)),
    )
    context.tx.add(person)
    added = PersonAdded(person=person.id, login=person.login, duties=person.duties)
    _record(context, added, organisation_id)
    return {"person": str(person.id)}


def _name(value: str, field: str) -> str:
    clean = tidied(value, field)
    if not clean:
        raise Invalid("field_required", field=field, fields=[field])
    return clean


def _administered(context: Context, organisation_id: UUID | None) -> UUID:
    """The organisation the asker administers. The system administers every one, but must name it."""
    if "system" in context.actor.duties:
        if organisation_id is None:
            raise Invalid("field_required", field="organisation", fields=["organisation"])
        return context.tx.organisation(organisation_id).id
    person = person_of(context)
    if "admin" not in person.duties or organisation_id not in {None, person.organisation_id}:
        raise Forbidden("forbidden")
    return person.organisation_id


def open_route(context: Context, command: c.OpenRoute) -> dict[str, Any]:
    """Open or close a profile of one's own organisation to a sender (RQ-01)."""
    receiver_id = _administered(context, context.actor.organisation_id)
    sender = context.tx.organisation(command.sender)
    profile = _name(command.profile, "profile")
    if sender.id == receiver_id:
        raise Invalid("invalid_field", field="sender")
    route = context.tx.route(profile, sender.id, receiver_id)
    if route is None:
        route = Route(id=uuid4(), profile=profile, sender_id=sender.id, receiver_id=receiver_id)
        context.tx.add(route)
    route.open = command.open
    opened = RouteOpened(route=route.id, profile=profile, sender=sender.id, open=command.open)
    _record(context, opened, receiver_id)
    return {"route": str(route.id)}


def change_organisation(context: Context, command: c.ChangeOrganisation) -> dict[str, Any]:
    """By its administrator. The name, the OID and the requisites of the seal's certificate are not changed here."""
    own = context.tx.organisation(_administered(context, context.actor.organisation_id))
    given = {one.name: tidied(getattr(command, one.name), one.name) for one in fields(command)}
    changed = [name for name, value in given.items() if getattr(own, name) != value]
    for name in changed:
        setattr(own, name, given[name])
    if changed:
        _record(context, OrganisationChanged(fields=changed), own.id)
    return {"changed": changed}


def export_register(context: Context, command: c.ExportRegister) -> dict[str, Any]:
    """Journaled on the organisation whose register it is; the file itself is made from what is read afterwards."""
    person = person_of(context)
    if not register.may_read(person):
        raise Forbidden("forbidden")
    if command.keeper not in register.keepers(context.tx, person.organisation_id):
        raise NotFound
    exported = RegisterExported(
        keeper=command.keeper, year=command.year, format=command.format, person=person.id
    )
    _record(context, exported, person.organisation_id)
    return {}


def establish_body(context: Context, command: c.EstablishBody) -> dict[str, Any]:
    """A standing commission (180н). Doctors of other organisations may be its members."""
    organisation_id = _administered(context, context.actor.organisation_id)
    body = Body(
        id=uuid4(),
        organisation_id=organisation_id,
        name=_name(command.name, "name"),
        order_number=_name(command.order_number, "order_number"),
        order_date=command.order_date,
        signing_order=command.signing_order,
        signing_days=command.signing_days,
        members=[_member(context, one) for one in command.members],
    )
    schedule.check_body(body)
    context.tx.add(body)
    _record(context, BodyEstablished(body=body.id, order_number=body.order_number), organisation_id)
    return {"body": str(body.id)}


def _member(context: Context, seat: c.BodySeat) -> BodyMember:
    return BodyMember(
        id=uuid4(),
        person_id=context.tx.person(seat.person).id,
        role=seat.role,
        since=seat.since,
        until=seat.until,
        deputises_for=seat.deputises_for,
    )


def request_certificate(context: Context, command: c.RequestCertificate) -> dict[str, Any]:
    """The demonstration authority certifies a key made in the browser; the subject is the record's."""
    person = person_of(context)
    authority = _authority(context)
    subject = PersonSubject(
        name=person.full_name,
        surname=person.surname,
        given=" ".join(part for part in (person.given, person.patronymic) if part),
        snils=person.snils,
    )
    try:
        der = authority.issue(_der(command.csr), subject, context.at)
    except RequestRefused as refused:
        raise Invalid(
            "invalid_field",
            field="csr",
            reason=refused.code,
            sentence=refused.message(person.language),
        ) from refused
    certificate = _kept(context, person, der)
    return {
        "certificate": str(certificate.id),
        "serial": certificate.serial,
        "der": base64.b64encode(der).decode(),
        "sha256": hashlib.sha256(der).hexdigest(),
        "authority": base64.b64encode(authority.root).decode(),
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
    }


def _kept(context: Context, person: Person, der: bytes) -> Certificate:
    """The row of a certificate; the authority answers the same key with the same certificate."""
    known = next((one for one in context.tx.certificates(person.id) if one.der == der), None)
    if known is not None:
        return known
    loaded = x509.load_der_x509_certificate(der)
    certificate = Certificate(
        id=uuid4(),
        person_id=person.id,
        serial=f"{loaded.serial_number:x}",
        der=der,
        not_before=loaded.not_valid_before_utc,
        not_after=loaded.not_valid_after_utc,
        issued_at=context.at,
    )
    context.tx.add(certificate)
    issued = CertificateIssued(
        person=person.id,
        certificate=certificate.id,
        serial=certificate.serial,
        sha256=hashlib.sha256(der).hexdigest(),
    )
    _record(context, issued, person.organisation_id)
    return certificate


def revoke_certificate(context: Context, command: c.RevokeCertificate) -> dict[str, Any]:
    """One's own, or (administrator) one of the organisation's people; final from the same moment."""
    asker = person_of(context)
    certificate = context.tx.certificate(command.certificate)
    owner = context.tx.person(certificate.person_id)
    if owner.organisation_id != asker.organisation_id:
        raise NotFound
    if owner.id != asker.id and "admin" not in asker.duties:
        raise Forbidden("forbidden")
    if not command.reason.strip():
        raise Invalid("reason_required", field="reason")
    if certificate.revoked_at is not None:
        raise Conflict("already_closed", what="certificate")
    # Before the commit: a certificate revoked for nothing is better than one that outlives its revocation.
    _authority(context).revoke(certificate.serial, context.at)
    certificate.revoked_at = context.at
    revoked = CertificateRevoked(
        person=owner.id,
        certificate=certificate.id,
        serial=certificate.serial,
        reason=tidied(command.reason, "reason"),
    )
    _record(context, revoked, owner.organisation_id)
    return {}


def _authority(context: Context) -> DemoAuthority:
    if context.parts.authority is None:
        raise Unavailable("no_certificate")
    return context.parts.authority


def _der(csr: str) -> bytes:
    try:
        return base64.b64decode(csr, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("invalid_field", field="csr") from None


def _record(context: Context, event: DirectoryEvent, organisation_id: UUID) -> None:
    context.tx.record(event, organisation_id, organisation_id, context.actor)


HANDLERS: Table = {
    c.ChangeSettings: change_settings,
    c.ChangePassword: change_password,
    c.AddPerson: add_person,
    c.OpenRoute: open_route,
    c.ChangeOrganisation: change_organisation,
    c.ExportRegister: export_register,
    c.EstablishBody: establish_body,
    c.RequestCertificate: request_certificate,
    c.RevokeCertificate: revoke_certificate,
}
