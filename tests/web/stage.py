"""A consilium played by commands alone, as far as a test of pages needs it: planned, decided, frozen, signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from consilium import clock, demo
from consilium import commands as c
from consilium.service import Service
from consilium.store.tables import cases

SEATS = (("chair", "chair"), ("deputy", "deputy"), ("secretary", "secretary"), ("member1", "member"))
PROSE = {"reasons": "Разногласия о тактике.", "decision": "Рекомендовано оперативное лечение."}


@dataclass(frozen=True, slots=True)
class Stage:
    """The service of one test, with the demonstration's people."""

    service: Service

    def do(self, login: str, command: c.Command) -> dict[str, Any]:
        """The command by this person, now."""
        return self.service.handle(command, demo.actor_of(self.service, login), uuid4(), clock.now()).result

    def person(self, login: str) -> UUID:
        return demo.person_id(self.service, login)

    def case(self, status: str = "sent") -> UUID:
        """The demonstration's case in this status."""
        with self.service.parts.store.read() as reader:
            return reader.connection.execute(
                sa.select(cases.c.id).where(cases.c.status == status)
            ).scalar_one()

    def accepted(self) -> UUID:
        case = self.case()
        self.do("coordinator", c.AcceptRequest(request=case))
        return case

    def planned(self) -> UUID:
        """A general consilium over the demonstration's sent case, in ten minutes."""
        case = self.accepted()
        seats = [c.SeatPlan(person=self.person(login), role=role) for login, role in SEATS]
        seats.append(c.SeatPlan(person=self.person("observer"), role="observer"))
        command = c.ScheduleConsilium(
            kind="general",
            organisation=demo.ORGANISATIONS["nmic"].id,
            scheduled_at=clock.now() + timedelta(minutes=10),
            cases=[case],
            seats=seats,
        )
        return UUID(self.do("coordinator", command)["consilium"])

    def entered(self) -> UUID:
        """Everyone of SEATS and the attending doctor is in the room, the case is open."""
        consilium = self.planned()
        for login, _ in SEATS:
            self.do(login, c.EnterConsilium(consilium=consilium))
        self.do("ivanova", c.EnterConsilium(consilium=consilium))
        self.do("chair", c.AdmitAll(consilium=consilium))
        self.do("chair", c.OpenItem(consilium=consilium, item=self.item(consilium)))
        return consilium

    def item(self, consilium: UUID) -> UUID:
        with self.service.parts.store.read() as reader:
            return reader.consilium(consilium).agenda[0].id

    def voted(self, dissent: bool = False) -> UUID:
        """A resolution adopted by all; member1 may write a dissenting opinion."""
        consilium = self.entered()
        item = self.item(consilium)
        wording = "Рекомендовать оперативное лечение первым этапом."
        made = self.do("chair", c.ProposeResolution(consilium=consilium, item=item, wording=wording))
        resolution = UUID(made["resolution"])
        self.do("chair", c.OpenVote(consilium=consilium, resolution=resolution, revision=0))
        with self.service.parts.store.read() as reader:
            ballot = reader.consilium(consilium).ballots[0]
        for login in ("chair", "deputy", "member1"):
            vote = c.CastVote(consilium=consilium, ballot=ballot.id, choice="for", digest=ballot.digest)
            self.do(login, vote)
        if dissent:
            text = "Считаю предпочтительной химиолучевую терапию."
            self.do("member1", c.WriteDissent(consilium=consilium, item=item, text=text))
        self.do("chair", c.CloseVote(consilium=consilium, ballot=ballot.id))
        return consilium

    def drafted(self, dissent: bool = False) -> UUID:
        """The item is decided; the id of its protocol."""
        consilium = self.voted(dissent)
        item = self.item(consilium)
        self.do("chair", c.CloseItem(consilium=consilium, item=item, outcome="decided"))
        with self.service.parts.store.read() as reader:
            protocol = reader.consilium(consilium).agenda[0].protocol_id
        assert protocol is not None
        return protocol

    def frozen(self, dissent: bool = False) -> UUID:
        """The protocol waits for signatures."""
        protocol = self.drafted(dissent)
        self.do("secretary", c.FreezeProtocol(protocol=protocol))
        return protocol
