"""A whole consilium by synthetic participants, step by step, each step checked.

A regional doctor asks, the НМИЦ answers, people of both meet on video with the record in front of them, one disagrees,
all sign, the registry takes the document. Who meets as what is the scenario's (scenario.py). A step that does not hold
raises, and the demonstration ends with its sentence.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image, ImageDraw

from consilium.clock import now
from consilium.demo_settled import settled
from consilium.model.particulars import digest_of, plain
from signaling.bots.media import Media
from signaling.bots.person import Bot, BotGaveUp, BotRefused
from signaling.bots.scenario import SCENARIOS, Scenario
from signaling.bots.sections import write_section

BOARD = SCENARIOS["190"].board
"""Those who meet in an oncological consilium; `expert` and `observer` knock too, the observer is turned away."""

QUESTION = "Тактика лечения: продолжить неоадъювантную терапию или направить на операцию?"
WORDING = "Рекомендовать хирургическое лечение в объёме лобэктомии с лимфодиссекцией."
FIRST_DRAFT = "Рекомендовать хирургическое лечение."
DISSENT = "Считаю необходимым ещё два курса химиотерапии до операции: ответ опухоли неполный."


class Demonstration:
    """Holds what the steps hand to one another. `say` prints one line of progress.

    `keys`: p256, gost256 or gost512, what everybody signs with. `socket_urls`: addresses of signaling servers where they are not the pages' own, people take turns.
    """

    def __init__(
        self,
        url: str,
        package: Path,
        say: Callable[[str], None],
        socket_urls: Sequence[str] = (),
        scenario: Scenario = SCENARIOS["190"],
        keys: str = "p256",
    ) -> None:
        self.url = url
        self.scenario = scenario
        self.keys = keys
        self.socket_urls = socket_urls or (url,)
        self.package = package
        self.say = say
        self.bots: dict[str, Bot] = {}
        self.request = ""
        self.consilium = ""
        self.protocol = ""
        self.referral = ""
        self.filed = ""
        """The paper that is filed: the protocol itself, or the extract made of it."""

    async def play(self) -> None:
        """All eleven steps. Raises BotGaveUp or BotRefused at the first that does not hold."""
        async with self.people():
            for name, step in self.steps():
                started = time.monotonic()
                await step()
                self.say(f"  {name}: {time.monotonic() - started:.1f} s")

    def steps(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        return (
            ("1/11 вход / sign in", self.sign_in),
            ("2/11 заявка и направление / request and referral", self.refer),
            ("3/11 консилиум / schedule", self.schedule),
            ("4/11 проверка связи / media test", self.probe),
            ("5/11 лобби / lobby", self.lobby),
            ("6/11 комната / room", self.room),
            ("7/11 решение / decision", self.decide),
            ("8/11 протокол / protocol", self.draft),
            ("9/11 подписание / signing", self.sign),
            ("10/11 печать и регистрация / seal and file", self.file),
            ("11/11 пакет / package", self.fetch),
        )

    @asynccontextmanager
    async def people(self) -> AsyncIterator[None]:
        """Everybody at his desk until the block ends."""
        async with AsyncExitStack() as stack:
            for number, login in enumerate((*self._seated(), "coordinator", "outsider")):
                socket_url = self.socket_urls[number % len(self.socket_urls)]
                bot = Bot(self.url, login, socket_url=socket_url, keys=self.keys)
                self.bots[login] = await stack.enter_async_context(bot)
            yield

    def _seated(self) -> tuple[str, ...]:
        return tuple(login for login, _ in self.scenario.seats)

    def __getitem__(self, login: str) -> Bot:
        return self.bots[login]

    # --- the steps ----------------------------------------------------------------------------------

    async def sign_in(self) -> None:
        await _expect("bad_credentials", Bot.sign_in(_stranger(self["outsider"])))
        await asyncio.gather(*(bot.sign_in() for bot in self.bots.values()))

    async def ask(self) -> None:
        """Draft, send, returned for a missing document, answered, sent again, accepted."""
        doctor, coordinator = self["ivanova"], self["coordinator"]
        asked = request_fields(coordinator.me["organisation"], self.scenario)
        created = await doctor.api("request.create", fields=asked)
        self.request = created["request"]
        await doctor.upload(self.request, "Выписка", _page("Выписной эпикриз"), "extract")
        await doctor.api("request.send", request=self.request)
        returned = await coordinator.api(
            "request.return", request=self.request, items=["Приложите КТ не старше 30 дней"]
        )
        await doctor.upload(self.request, "КТ, срез 42", _slice(), "image")
        await doctor.api(
            "request.answer", request=self.request, item=returned["items"][0], answer="Приложено"
        )
        await doctor.api("request.send", request=self.request)
        await coordinator.api("request.accept", request=self.request)
        await _expect("not_found", self["outsider"].api("request.accept", request=self.request))

    async def refer(self) -> None:
        """The request, and its referral: a paper of the doctor's own, signed before anybody meets."""
        await self.ask()
        doctor = self["ivanova"]
        await doctor.get_certificate()
        await _expect("forbidden", self["coordinator"].api("referral.make", request=self.request))
        made = await doctor.api("referral.make", request=self.request)
        self.referral = made["protocol"]
        await _expect("already_referred", doctor.api("referral.make", request=self.request))
        await doctor.sign(self.referral)

    async def schedule(self) -> None:
        coordinator, scenario = self["coordinator"], self.scenario
        scheduled = await coordinator.api(
            "consilium.schedule",
            kind=scenario.kind,
            organisation=coordinator.me["organisation"],
            scheduled_at=(now() + timedelta(minutes=1)).isoformat(),
            duration_minutes=30,
            cases=[self.request],
            seats=[{"person": self[login].me["person"], "role": role} for login, role in scenario.seats],
            body=await self._commission() if scenario.kind == "commission" else None,
        )
        self.consilium = scheduled["consilium"]
        invited = self[self.scenario.talkers[0]]
        if b"BEGIN:VCALENDAR" not in await invited.get(f"/consilium/{self.consilium}.ics"):
            raise BotGaveUp("the invitation is no calendar file")

    async def _commission(self) -> str:
        """The commission as the planning page offers it."""
        page = (await self["coordinator"].get("/consilia/new")).decode()
        found = re.search(r'<select id="body".*?<option value="([0-9a-f-]{36})"', page, re.DOTALL)
        if found is None:
            raise BotGaveUp("no commission to choose")
        return found.group(1)

    async def probe(self) -> None:
        """A member tests the real media path in an echo room before he is let in."""
        member = self[self.scenario.waiting[0]]
        await member.connect(self.consilium)

        async def ask(name: str, **fields: Any) -> dict[str, Any]:
            answer = await member.room(name.replace("media.", "probe."), **fields)
            return {"epoch": 1, **answer}

        echo = member.media = Media(ask, 2)
        await echo.start()
        await _until(
            lambda: any(echo.seen.values()) and any(echo.heard.values()), "the echo of one's own media"
        )
        await member.room("probe.close")
        await echo.close()
        member.media = None

    async def lobby(self) -> None:
        """Early ones stay outside until the chair says so; media is refused before that."""
        scenario, waiting = self.scenario, self.scenario.waiting
        await asyncio.gather(*(self[login].connect(self.consilium) for login in waiting))
        await _expect("not_admitted", self[waiting[0]].room("media.subscribe"))
        chair = self["chair"]
        await chair.connect(self.consilium)
        await asyncio.gather(*(self[login].connect(self.consilium) for login in scenario.direct))
        lobby = await chair.until(
            lambda s: len(s["lobby"]) == len(waiting) and s["lobby"], f"{len(waiting)} people in the lobby"
        )
        seats = {one["role"]: one["seat"] for one in lobby}
        await chair.room("seat.admit", seat=seats["attending"])
        if scenario.turned_away:
            denied = seats[dict(scenario.seats)[scenario.turned_away]]
            await chair.room("seat.deny", seat=denied, reason="Места наблюдателей заняты")
        await chair.room("seat.admit_all")
        for login in waiting:
            if login != scenario.turned_away:
                await self[login].connect(self.consilium)
                await self[login].until(lambda s: s["me"]["admission"] == "admitted", "being let in")

    async def room(self) -> None:
        """Everybody sees and hears everybody, under the right name; the record is led and followed."""
        for number, login in enumerate(self.scenario.board):
            await self[login].start_media(number)
        await self._everybody_proven()
        chair = self["chair"]
        item = (await chair.until(lambda s: s["agenda"], "the agenda"))[0]["item"]
        await chair.room("agenda.open", item=item)
        document = (await chair.until(lambda s: s["case"]["documents"], "the documents"))[0]["id"]
        await chair.room("layout.set", layout="images")
        await chair.room("document.show", document=document, page=1)
        first, second = self.scenario.talkers
        member, other = self[first], self[second]
        await member.until(lambda s: s["view"]["document"] == document, "the presenter's document")
        await member.room("document.open", request=self.request, document=document)
        await member.get(f"/files/{self.request}/{document}?consilium={self.consilium}")
        await member.room("hand.raise")
        await other.room("hand.raise", point_of_order=True)
        await chair.until(lambda s: len(s["floor"]["hands"]) == 2, "two hands")
        await chair.room("floor.give")
        await chair.until(lambda s: s["floor"]["seat"] == self._seat(second), "the point of order first")
        await member.room("chat.send", text="Снимок от 12 числа?")
        await other.until(lambda s: s["chat"][-1]["text"] == "Снимок от 12 числа?", "the chat")

    async def decide(self) -> None:
        """Word, reword, vote by name, change once, one against with a dissent, one lost and back."""
        chair = self["chair"]
        item = chair.state["case"]["item"]
        await chair.room("layout.set", layout="vote")
        proposed = await chair.room("resolution.propose", item=item, wording=FIRST_DRAFT)
        reworded = await self["secretary"].room(
            "resolution.reword",
            resolution=proposed["resolution"],
            revision=proposed["revision"],
            wording=WORDING,
        )
        opened = await chair.room(
            "vote.open", resolution=proposed["resolution"], revision=reworded["revision"]
        )
        ballot, digest = opened["ballot"], opened["digest"]
        vote = {"ballot": ballot, "digest": digest}
        for login, choice in self.scenario.votes:
            await self._vote(login, choice, vote)
        await _expect("not_entitled", self["expert"].room("vote.cast", choice="for", **vote))
        if self.scenario.dissents:
            author = self[self.scenario.dissents]
            await author.room("dissent.write", item=item, text=DISSENT, ballot=ballot)
        await chair.room("vote.close", ballot=ballot)
        result = (await chair.until(lambda s: s["decision"]["results"], "the result"))[0]
        cast = [choice for _, choice in self.scenario.votes]
        counted = result["votes_for"], result["votes_against"], result["adopted"]
        if counted != (cast.count("for"), cast.count("against"), True):
            raise BotGaveUp(f"the count is wrong: {result}")
        closed = await chair.room("agenda.close", item=item, outcome="decided")
        self.protocol = closed["protocol"]

    async def _vote(self, login: str, choice: str, vote: dict[str, str]) -> None:
        """The deputy changes his mind once; who is against was lost and came back, and says it twice."""
        voter = self[login]
        if login == "deputy":
            await voter.room("vote.cast", choice="abstain", **vote)
        if choice != "against":
            await voter.room("vote.cast", choice=choice, **vote)
            return
        await voter.connect(self.consilium)
        cast_id = str(uuid4())
        first = await voter.room("vote.cast", command=cast_id, choice=choice, **vote)
        again = await voter.room("vote.cast", command=cast_id, choice=choice, **vote)
        if first["receipt"] != again["receipt"]:
            raise BotGaveUp("a repeated command was done twice")

    async def draft(self) -> None:
        """The text wrote itself; chair and secretary finish it together while a member watches."""
        chair, secretary, member = self["chair"], self["secretary"], self[self.scenario.watcher]
        await chair.room("layout.set", layout="protocol")
        await member.room("draft.open", protocol=self.protocol)
        await _expect("not_your_role", write_section(member, self.protocol, "reasons", "x"))
        course = "Образование выявлено в мае, проведено два курса терапии с частичным ответом."
        state = "Состояние удовлетворительное, ECOG 1. КТ: узел верхней доли 24 мм."
        await asyncio.gather(
            write_section(chair, self.protocol, "course", course),
            write_section(secretary, self.protocol, "state", state),
        )
        await _until(lambda: len(member.drafts) >= 2, "both edits on the member's screen")
        await self._settle()
        frozen = await chair.api("protocol.freeze", protocol=self.protocol)
        await _expect("draft_frozen", write_section(secretary, self.protocol, "course", "поздно"))
        self.say(f"       sha256 {frozen['digest']}")

    async def _settle(self) -> None:
        """Diagnoses and advice are entered by the secretary; a chair with an older page does not overwrite them."""
        given = plain(settled(self.scenario.kind, now().date()))
        entered = {"protocol": self.protocol, "before": digest_of("")}
        await self["secretary"].api("protocol.particulars", **entered, particulars=given)
        await _expect("stale_revision", self["chair"].api("protocol.particulars", **entered, particulars={}))
        shown = json.loads(await self["chair"].get(f"/api/protocol.particulars/{self.protocol}"))
        if shown["particulars"] != given:
            raise BotGaveUp("what was settled on is not what the chair reads")

    async def sign(self) -> None:
        """Everybody who attended signs the same bytes with his own key; nobody signs for another."""
        signers = self.scenario.signers
        await asyncio.gather(
            *(self[login].get_certificate() for login in signers if not self[login].certificate)
        )
        await _expect("not_a_signer", self["observer"].api("protocol.begin_signing", protocol=self.protocol))
        forged = self[signers[1]]
        own = forged.key, forged.certificate
        forged.key, forged.certificate = self["chair"].key, self["chair"].certificate
        await _expect("signature_refused", forged.sign(self.protocol))
        forged.key, forged.certificate = own
        await asyncio.gather(*(self[login].sign(self.protocol) for login in signers))

    async def file(self) -> None:
        """The browsers are closed; the worker seals and files on its own. An extract is made of what is not filed."""
        await asyncio.gather(*(bot.disconnect() for bot in self.bots.values()))
        self.filed = self.protocol
        if self.scenario.extract:
            await self._waited(self.protocol, "status", "sealed", "the organisation's seal")
            await self._make_extract()
        await self._waited(self.filed, "filing", "registered", "the registry's number")
        if self.referral:
            await self._waited(self.referral, "filing", "registered", "the referral's number", by="ivanova")

    async def _make_extract(self) -> None:
        """Chair and secretary sign it like any document."""
        made = await self["secretary"].api(
            "protocol.extract",
            protocol=self.protocol,
            reason="По заявлению пациента",
            addressee="Лечащему врачу",
        )
        self.filed = made["protocol"]
        await asyncio.gather(*(self[login].sign(self.filed) for login in ("chair", "secretary")))

    async def _waited(self, paper: str, field: str, value: str, what: str, by: str = "chair") -> None:
        async def there() -> bool:
            status = json.loads(await self[by].get(f"/api/protocol.status/{paper}"))
            return bool(status[field] == value)

        await _until_true(there, what, 60)

    async def fetch(self) -> None:
        content = await self["chair"].get(f"/packages/{self.filed}.asice")
        self.package.parent.mkdir(parents=True, exist_ok=True)
        self.package.write_bytes(content)

    # --- checks -------------------------------------------------------------------------------------

    async def _everybody_proven(self) -> None:
        board = self.scenario.board

        def missing() -> list[str]:
            return [
                f"{login}<-{other}{self._media(login).tally(self._seat(other))}"
                for login in board
                for other in board
                if other != login and not self._media(login).proven(self._seat(other))
            ]

        try:
            await _until(lambda: not missing(), "picture and sound between every two people", 40)
        except BotGaveUp as gave_up:
            raise BotGaveUp(f"{gave_up}; missing {' '.join(missing())}") from None
        for login in board:
            for number, other in enumerate(board):
                if other != login and self._media(login).senders(self._seat(other)) != {number}:
                    raise BotGaveUp(f"{login} received somebody else under the name of {other}")

    def _media(self, login: str) -> Media:
        media = self[login].media
        if media is None:
            raise BotGaveUp(f"{login} has no media")
        return media

    def _seat(self, login: str) -> str:
        return str(self[login].state["me"]["seat"])


async def _expect(code: str, asked: Awaitable[Any]) -> None:
    """What must be refused is refused, with this code."""
    try:
        await asked
    except BotRefused as refused:
        if refused.code != code:
            raise BotGaveUp(f"expected a refusal {code}, got {refused}") from None
        return
    raise BotGaveUp(f"expected a refusal {code}, but it was done")


async def _until(holds: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    async def check() -> bool:
        return bool(holds())

    await _until_true(check, what, seconds)


async def _until_true(holds: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            raise BotGaveUp(f"waited {seconds:.0f} s for {what}")
        await asyncio.sleep(0.2)


def _stranger(bot: Bot) -> Bot:
    stranger = Bot(bot.url, bot.login, "wrong password")
    stranger._http = bot._http  # noqa: SLF001 - the same browser, another password
    return stranger


def request_fields(receiver: str, scenario: Scenario = SCENARIOS["190"]) -> dict[str, Any]:
    return {
        "receiver": receiver,
        "profile": "онкология",
        "surname": "Тестов",
        "given": "Иван",
        "patronymic": "Петрович",
        "birth_date": "1961-04-12",
        "sex": "1",
        "snils": "11223344595",
        "record_number": "ИБ-2026-0417",
        "place": "Свердловская область, г. Заречный, ул. Лесная, д. 7, кв. 3",
        "region_code": "66",
        "region_name": "Свердловская область",
        "postal_code": "624250",
        "paper_kind": "1",
        "paper_kind_name": "Паспорт гражданина Российской Федерации",
        "paper_series": "6500",
        "paper_number": "000417",
        "paper_issuer": "ОВД г. Заречного",
        "paper_issuer_code": "662-022",
        "paper_issued_on": "2006-05-02",
        "policy_kind": "2",
        "policy_kind_name": "Полис ОМС единого образца, бессрочный",
        "policy_number": "6600000000000417",
        "policy_valid_from": "2012-06-01",
        "payment_code": "1",
        "card_code": "2",
        "card_opened_on": (now().date() - timedelta(days=6)).isoformat(),
        "severity_code": "1",
        "diagnosis_code": "C34.1",
        "diagnosis_name": "Злокачественное новообразование верхней доли бронха или лёгкого",
        "question": QUESTION,
        "goal_code": scenario.goal,
        "urgency_code": "1",
        "course": "Кашель с мая, образование верхней доли правого лёгкого.",
        "condition": "Состояние удовлетворительное.",
        "wants_kind": scenario.kind,
        "consent_basis": "consent",
        "consent_date": now().date().isoformat(),
        "consent_reference": "ИДС № 17",
    }


def _page(title: str) -> bytes:
    """A one-page PDF."""
    image = Image.new("RGB", (595, 842), "white")
    ImageDraw.Draw(image).text((60, 60), title.encode("ascii", "replace").decode(), fill="black")
    out = io.BytesIO()
    image.save(out, "PDF")
    return out.getvalue()


def _slice() -> bytes:
    image = Image.new("L", (256, 256), 20)
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 30, 216, 226), fill=90)
    draw.ellipse((150, 70, 174, 94), fill=210)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
