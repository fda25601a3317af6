"""A small world for tests: demonstration people, a request, a consilium, a protocol, by real commands.

`World` speaks for people by their demonstration login. Every step takes the moment from the real clock, as
revocation lists and challenges do.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pycrdt import Doc, Text

from consilium import bootstrap, clock, demo
from consilium import commands as c
from consilium.actor import Actor
from consilium.errors import ConsiliumError
from consilium.model import Body, Case, Consilium, Person, Protocol
from consilium.parts import Parts
from consilium.seal.providers import FileKey
from consilium.service import Service
from consilium.settings import Settings
from web.simulator.authority import serving
from web.simulator.authority_desk import Desk

BOARD = (("chair", "chair"), ("deputy", "deputy"), ("secretary", "secretary"), ("member1", "member"))
CONSULTATION = (("member1", "consultant"), ("ivanova", "attending"))


@dataclass
class World:
    """Everything loaded; `do` is a person's command."""

    service: Service
    desk: Desk | None = None
    keys: dict[str, tuple[FileKey, bytes]] = field(default_factory=dict)

    @property
    def parts(self) -> Parts:
        return self.service.parts

    @property
    def now(self) -> datetime:
        return clock.now()

    # --- people -----------------------------------------------------------------------------------

    def person(self, login: str) -> Person:
        with self.parts.store.read() as reader:
            return reader.person_by_login(login)

    def actor(self, login: str) -> Actor:
        return demo.actor(self.person(login))

    def id(self, login: str) -> UUID:
        return self.person(login).id

    def do(
        self, login: str, command: c.Command, command_id: UUID | None = None, at: datetime | None = None
    ) -> dict[str, Any]:
        return self.service.handle(command, self.actor(login), command_id or uuid4(), at or self.now).result

    def refusal(self, login: str, command: c.Command, at: datetime | None = None) -> ConsiliumError:
        """The refusal of a command that must be refused."""
        try:
            self.do(login, command, at=at)
        except ConsiliumError as refused:
            return refused
        raise AssertionError(f"{type(command).__name__} of {login} was not refused")

    # --- what there is ----------------------------------------------------------------------------

    def case(self, case_id: UUID) -> Case:
        with self.parts.store.read() as reader:
            return reader.case(case_id)

    def consilium(self, consilium_id: UUID) -> Consilium:
        with self.parts.store.read() as reader:
            return reader.consilium(consilium_id)

    def protocol(self, protocol_id: UUID) -> Protocol:
        with self.parts.store.read() as reader:
            return reader.protocol(protocol_id)

    def journal(self, kind: str, stream_id: UUID) -> list[str]:
        """Names of a stream's events, in order."""
        with self.parts.store.read() as reader:
            return [one.name for one in reader.events(kind, stream_id)]

    # --- steps ------------------------------------------------------------------------------------

    def draft(self, author: str = "ivanova", **changes: Any) -> UUID:
        """A request with every field filled; `changes` replace some."""
        fields = demo.sample_fields(demo.ORGANISATIONS["nmic"].id, self.now.date())
        return UUID(self.do(author, c.CreateRequest(fields=replace(fields, **changes)))["request"])

    def sent(self, **changes: Any) -> UUID:
        case_id = self.draft(**changes)
        self.do("ivanova", c.SendRequest(request=case_id))
        return case_id

    def accepted(self, **changes: Any) -> UUID:
        case_id = self.sent(**changes)
        self.do("coordinator", c.AcceptRequest(request=case_id))
        return case_id

    def attached(self, case_id: UUID, content: bytes | None = None, by: str = "ivanova") -> UUID:
        with self.parts.files.begin(10_000_000) as upload:
            upload.write(content or demo.scan_png())
            stored = upload.finish()
        command = c.AttachDocument(
            request=case_id,
            title="КТ",
            kind="image",
            digest=stored.digest,
            size=stored.size,
            media_type=stored.media_type,
        )
        return UUID(self.do(by, command)["document"])

    def plan(
        self, kind: str = "general", cases: list[UUID] | None = None, **changes: Any
    ) -> c.ScheduleConsilium:
        """The command of a coordinator; the attending doctor is added by the rules."""
        roles = CONSULTATION if kind == "consultation" else () if kind == "commission" else BOARD
        seats = [c.SeatPlan(person=self.id(login), role=role) for login, role in roles]
        values: dict[str, Any] = {
            "kind": kind,
            "organisation": demo.ORGANISATIONS["nmic"].id,
            "scheduled_at": self.now + timedelta(minutes=1),
            "cases": cases or [self.accepted()],
            "seats": seats,
            "body": self.body() if kind == "commission" else None,
        }
        return c.ScheduleConsilium(**(values | changes))

    def body(self) -> UUID:
        """The demonstration commission."""
        with self.parts.store.read() as reader:
            return reader.all(Body)[0].id

    def planned(self, kind: str = "general", **changes: Any) -> Consilium:
        reply = self.do("coordinator", self.plan(kind, **changes))
        return self.consilium(UUID(reply["consilium"]))

    def opened(self, *logins: str, kind: str = "general", **changes: Any) -> Consilium:
        """The consilium running with its first item on the table and these people admitted inside."""
        consilium = self.planned(kind, **changes)
        presiding = "member1" if kind == "consultation" else "chair"
        inside = logins or tuple(login for login, _ in BOARD if login != presiding)
        self.do(presiding, c.EnterConsilium(consilium=consilium.id))
        for login in inside:
            self.enter(consilium.id, login, presiding)
        self.do(presiding, c.OpenItem(consilium=consilium.id, item=consilium.agenda[0].id))
        return self.consilium(consilium.id)

    def enter(self, consilium_id: UUID, login: str, admitted_by: str = "chair") -> None:
        seat = self.do(login, c.EnterConsilium(consilium=consilium_id))
        if seat["admission"] == "waiting":
            self.do(admitted_by, c.Admit(consilium=consilium_id, seat=UUID(seat["seat"])))
            self.do(login, c.EnterConsilium(consilium=consilium_id))

    def decided(self, *logins: str, dissent_by: str | None = None, **options: Any) -> Protocol:
        """A vote held, the item closed, the protocol's draft there."""
        consilium = self.opened(*logins, **options)
        item = consilium.agenda[0].id
        presiding = "member1" if consilium.kind == "consultation" else "chair"
        self.vote(consilium, presiding, against=dissent_by)
        if dissent_by:
            opinion = c.WriteDissent(
                consilium=consilium.id, item=item, text="Считаю операцию преждевременной."
            )
            self.do(dissent_by, opinion)
        closed = self.do(presiding, c.CloseItem(consilium=consilium.id, item=item, outcome="decided"))
        return self.protocol(UUID(closed["protocol"]))

    def vote(self, consilium: Consilium, presiding: str, against: str | None = None) -> None:
        """One resolution adopted by everybody inside, but for one."""
        wording = "Рекомендовать оперативное лечение."
        proposal = c.ProposeResolution(consilium=consilium.id, item=consilium.agenda[0].id, wording=wording)
        proposed = self.do(presiding, proposal)
        resolution = UUID(proposed["resolution"])
        opened = self.do(
            presiding,
            c.OpenVote(consilium=consilium.id, resolution=resolution, revision=proposed["revision"]),
        )
        ballot = UUID(opened["ballot"])
        current = self.consilium(consilium.id).ballot(ballot)
        assert current is not None
        logins = {self.id(account.login): account.login for account in demo.ACCOUNTS}
        for seat in self.consilium(consilium.id).seats:
            if seat.id in current.present:
                login = logins[seat.person_id]
                choice = "against" if login == against else "for"
                self.do(
                    login,
                    c.CastVote(consilium=consilium.id, ballot=ballot, choice=choice, digest=opened["digest"]),
                )
        self.do(presiding, c.CloseVote(consilium=consilium.id, ballot=ballot))

    def frozen(self, *logins: str, by: str = "chair", **options: Any) -> Protocol:
        protocol = self.decided(*logins, **options)
        self.do(by, c.FreezeProtocol(protocol=protocol.id))
        return self.protocol(protocol.id)

    # --- keys and signatures ----------------------------------------------------------------------

    def key(self, login: str) -> tuple[FileKey, bytes]:
        """A key of the person's own and its certificate, made on first use."""
        if login not in self.keys:
            assert self.parts.authority is not None
            key = self.parts.authority.new_key()
            csr = base64.b64encode(key.csr(login)).decode()
            made = self.do(login, c.RequestCertificate(csr=csr))
            self.keys[login] = (key, base64.b64decode(made["der"]))
        return self.keys[login]

    def signing(self, login: str, protocol_id: UUID) -> c.AttachSignature:
        """The command a signer's browser would send now."""
        begun = self.do(login, c.BeginSigning(protocol=protocol_id))
        document = self.protocol(protocol_id).document
        return c.AttachSignature(
            protocol=protocol_id,
            challenge=begun["challenge"],
            digest=begun["digest"],
            cms=self.cms(login, document, begun["signing_time"]),
        )

    def cms(self, login: str, document: bytes, signing_time: str) -> str:
        key, certificate = self.key(login)
        return base64.b64encode(
            key.sign(document, certificate, datetime.fromisoformat(signing_time))
        ).decode()

    def sign(self, login: str, protocol_id: UUID) -> dict[str, Any]:
        """One's own dissents first, then the protocol: as the signing page does."""
        begun = self.do(login, c.BeginSigning(protocol=protocol_id))
        answer: dict[str, Any] = {}
        for one in begun["dissents"]:
            content = base64.b64decode(one["content"])
            answer = self.do(
                login,
                c.AttachDissentSignature(
                    protocol=protocol_id,
                    dissent=UUID(one["id"]),
                    challenge=begun["challenge"],
                    digest=one["digest"],
                    cms=self.cms(login, content, begun["signing_time"]),
                ),
            )
        if begun["document"]:
            document = self.protocol(protocol_id).document
            answer = self.do(
                login,
                c.AttachSignature(
                    protocol=protocol_id,
                    challenge=begun["challenge"],
                    digest=begun["digest"],
                    cms=self.cms(login, document, begun["signing_time"]),
                ),
            )
        return answer

    def signer_logins(self, protocol_id: UUID) -> list[str]:
        """Who has to sign the current version."""
        logins = {self.id(account.login): account.login for account in demo.ACCOUNTS}
        return [logins[one.person_id] for one in self.protocol(protocol_id).current_signatures()]

    def signed(self, *logins: str, **options: Any) -> Protocol:
        """Frozen and signed by everybody who has to."""
        protocol = self.frozen(*logins, **options)
        for login in self.signer_logins(protocol.id):
            self.sign(login, protocol.id)
        return self.protocol(protocol.id)


def loaded(parts: Parts, desk: Desk | None = None) -> World:
    """The demonstration world on these parts."""
    service = Service(parts)
    demo.load(service)
    return World(service, desk)


@contextmanager
def authority_beside(settings: Settings) -> Iterator[tuple[Settings, Desk]]:
    """The authority simulator on the folder of these settings, and settings that ask it."""
    desk = Desk.open(settings.data_dir / "authority", settings.signature_policy)
    with serving(desk) as url:
        urls = {"timestamp_urls": (f"{url}/tsa",), "crl_urls": (f"{url}/crl",), "ocsp_url": f"{url}/ocsp"}
        yield replace(settings, **urls), desk


@contextmanager
def inhabited(settings: Settings, *, furnished: bool = False) -> Iterator[World]:
    """The demonstration world, with an authority of its own to ask. `furnished`: a copy of one is there already."""
    with authority_beside(settings) as (asking, desk):
        parts = bootstrap.build(asking)
        try:
            yield World(Service(parts), desk) if furnished else loaded(parts, desk)
        finally:
            parts.close()


def typed(updates: list[bytes], section: str, text: str) -> str:
    """The update (base64) of somebody who opens the draft and puts `text` at the start of a section."""
    document: Doc[Text] = Doc()
    for one in updates:
        document.apply_update(one)
    before = document.get_state()
    document.get(section, type=Text).insert(0, text)
    return base64.b64encode(document.get_update(before)).decode()
