"""A board that meets through the service alone: real store, real commands, no sockets."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from consilium import clock, demo
from consilium import commands as c
from consilium.actor import SYSTEM, Actor
from consilium.model import Consilium
from consilium.service import Reply, Service

ROLES = {
    "chair": "chair",
    "deputy": "deputy",
    "secretary": "secretary",
    "member1": "member",
    "member2": "member",
    "ivanova": "attending",
    "expert": "expert",
    "observer": "observer",
}
VOTERS = ("chair", "deputy", "member1", "member2")


class Board:
    """The demonstration's people and their consilia. Answers of commands are dicts as on the wire."""

    def __init__(self, service: Service) -> None:
        self.service = service
        demo.load(service)
        self.actors = {login: demo.actor_of(service, login) for login in (*ROLES, "coordinator", "outsider")}
        self.actors["system"] = SYSTEM

    def handle(self, login: str, command: c.Command, command_id: UUID | None = None) -> Reply:
        return self.service.handle(command, self.actors[login], command_id or uuid4(), clock.now())

    def do(self, login: str, command: c.Command, command_id: UUID | None = None) -> dict[str, Any]:
        return self.handle(login, command, command_id).result

    def consilium(self, consilium_id: UUID) -> Consilium:
        with self.service.parts.store.read() as reader:
            return reader.consilium(consilium_id)

    def journal(self, consilium_id: UUID, after: int = 0) -> list[Any]:
        with self.service.parts.store.read() as reader:
            return reader.events("consilium", consilium_id, after, 100_000)

    def request(self, surname: str = "Тестов") -> UUID:
        """A case accepted by the receiving organisation."""
        fields = replace(
            demo.sample_fields(demo.ORGANISATIONS["nmic"].id, clock.now().date()),
            surname=surname,
            birth_date=date(1961, 4, 12),
            diagnosis_name=f"Диагноз {surname}",
            question=f"Вопрос {surname}",
            course=f"Анамнез {surname}",
            condition=f"Состояние {surname}",
        )
        request = UUID(self.do("ivanova", c.CreateRequest(fields=fields))["request"])
        self.do("ivanova", c.SendRequest(request=request))
        self.do("coordinator", c.AcceptRequest(request=request))
        return request

    def schedule(
        self, *requests: UUID, roles: dict[str, str] | None = None, expert_item: int | None = None
    ) -> UUID:
        """A general consilium, due now. `expert_item`: the one case the expert is invited to."""
        seats = [
            c.SeatPlan(
                person=self._person(login),
                role=role,
                items=[expert_item] if role == "expert" and expert_item is not None else [],
            )
            for login, role in (roles or ROLES).items()
        ]
        command = c.ScheduleConsilium(
            kind="general",
            organisation=demo.ORGANISATIONS["nmic"].id,
            scheduled_at=clock.now(),
            cases=list(requests) or [self.request()],
            seats=seats,
        )
        return UUID(self.do("coordinator", command)["consilium"])

    def meeting(self, roles: dict[str, str] | None = None) -> UUID:
        """Everybody admitted and present, the case on the table."""
        consilium = self.schedule(roles=roles)
        for login in roles or ROLES:
            self.do(login, c.EnterConsilium(consilium=consilium))
        self.do("chair", c.AdmitAll(consilium=consilium))
        self.do("chair", c.OpenItem(consilium=consilium, item=self.consilium(consilium).agenda[0].id))
        return consilium

    def ballot(self, consilium: UUID) -> tuple[UUID, str]:
        """An open ballot on a new resolution, opened by the acting chair: (id, digest)."""
        one = self.consilium(consilium)
        assert one.current_item_id is not None
        acting = self.login_of(one, one.chair_seat_id)
        proposal = c.ProposeResolution(consilium=consilium, item=one.current_item_id, wording="Оперировать")
        resolution = UUID(self.do(acting, proposal)["resolution"])
        opened = self.do(acting, c.OpenVote(consilium=consilium, resolution=resolution, revision=0))
        return UUID(opened["ballot"]), opened["digest"]

    def seat(self, consilium: Consilium, login: str) -> UUID:
        seat = consilium.seat_of(self._person(login))
        assert seat is not None
        return seat.id

    def login_of(self, consilium: Consilium, seat_id: UUID | None) -> str:
        return next(login for login in ROLES if self._has(consilium, login, seat_id))

    def lose(self, consilium: UUID, login: str, at: datetime | None = None) -> None:
        """The connection is lost and the grace is over."""
        seat = self.seat(self.consilium(consilium), login)
        last_seen = at or clock.now() + timedelta(milliseconds=1)
        self.do("system", c.LosePresence(consilium=consilium, seat=seat, last_seen=last_seen))

    def _has(self, consilium: Consilium, login: str, seat_id: UUID | None) -> bool:
        seat = consilium.seat_of(self._person(login))
        return seat is not None and seat.id == seat_id

    def _person(self, login: str) -> UUID:
        actor: Actor = self.actors[login]
        assert actor.person_id is not None
        return actor.person_id
