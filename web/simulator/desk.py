"""The registry's desk: fetches documents, decides, and tells the product, however long the product is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from uuid import uuid4

from consilium import clock
from consilium.filing import wire
from consilium.filing.wire import ErrorDto
from web.simulator import checks
from web.simulator.archive import Archive, Entry
from web.simulator.modes import OK, Mode
from web.simulator.plan import Plan
from web.simulator.product import Product, ProductAwayError
from web.simulator.signatures import error

LOG = logging.getLogger(__name__)
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
PULL_TRIES = 200  # with the pauses above: well over an hour of absence
AT_ONCE = 8


@dataclass(slots=True)
class Desk:
    """One task that works through the archive; `wake` makes it look at once.

    With a `plan` every document is lied to by its throw, whatever `mode` says else. `strangers` counts registrations of
    a document under a second key, which an honest product never sends.
    """

    archive: Archive
    product: Product
    mode: Mode
    own_signers_only: bool = False
    plan: Plan | None = None
    strangers: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run(), name="registry-desk")

    async def close(self) -> None:
        """Stop; what is unfinished is in the archive."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.product.close()

    def wake(self) -> None:
        """Something new lies on the desk, or the clock was moved."""
        self.idle.clear()
        self._wake.set()

    def behaviour(self, step: str, key: str) -> Mode:
        """How to behave at a step with a document: as planned, else as the mode says."""
        return self.plan.behave(step, key) if self.plan is not None else self.mode

    def when_asked(self, key: str) -> Mode:
        """How to behave when asked about a document: without a plan only a registry that is down cannot answer."""
        if self.plan is not None:
            return self.plan.behave("find", key)
        return self.mode if self.mode.name == "down" else OK

    async def _run(self) -> None:
        limit = asyncio.Semaphore(AT_ONCE)
        while True:
            self._wake.clear()
            due = await asyncio.to_thread(self.archive.due, clock.now().timestamp())
            await asyncio.gather(*(self._take(limit, entry) for entry in due))
            if not due:
                await self._sleep()

    async def _sleep(self) -> None:
        soonest = await asyncio.to_thread(self.archive.next_due)
        pause = None if soonest is None else max(0.0, soonest - clock.now().timestamp())
        if not self._wake.is_set():
            self.idle.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()

    async def _take(self, limit: asyncio.Semaphore, entry: Entry) -> None:
        async with limit:
            try:
                await (self._examine(entry) if entry.status == "received" else self._call_back(entry))
            except ProductAwayError as away:
                LOG.info("registry.product.away", extra={"message_id": entry.message_id, "why": str(away)})
                await self._postpone(entry)
            except Exception:
                LOG.exception("registry.desk.failed", extra={"message_id": entry.message_id})
                await self._postpone(entry)

    async def _postpone(self, entry: Entry) -> None:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(entry.tries, 12)))
        await asyncio.to_thread(self.archive.postpone, entry.key, clock.now().timestamp() + pause)

    async def _examine(self, entry: Entry) -> None:
        one = entry.registration
        at = clock.now()
        errors = checks.metadata_errors(one, at, own_signers_only=self.own_signers_only)
        errors += await asyncio.to_thread(checks.tie_errors, one, self.archive)
        document = b""
        if not errors:
            try:
                document = await self.product.document(entry)
            except ProductAwayError:
                if entry.tries < PULL_TRIES:
                    raise
                errors = [error("FILE_WAS_NOT_SENT", 56, "ИС не передала файл ЭМД")]
            else:
                errors = await asyncio.to_thread(checks.document_errors, one, document, entry.received_at, at)
        ordered = self.behaviour("decide", entry.key)
        if not errors and ordered.name == "error":
            errors = [ErrorDto(code=ordered.value, number=0, message="Ошибка по заказу испытателя")]
        await self._decide(entry, errors, len(document))

    async def _decide(self, entry: Entry, errors: list[ErrorDto], size: int) -> None:
        told = self.behaviour("callback", entry.key)
        silent = entry.dialect == "proxy" or told.name == "silent"
        owed = 0 if silent else 2 if told.name == "twice" else 1
        later = told.seconds if told.name == "late" else 0.0
        at = clock.now()
        if told.name == "nonsense" and entry.dialect == "plain":
            await self._nonsense(entry)
        if told.name == "disorder" and not silent:
            await self._stale(entry)
        if errors:
            await asyncio.to_thread(self.archive.reject, entry.key, entry.message_id, errors, at, owed, later)
        else:
            await asyncio.to_thread(self.archive.accept, entry.key, entry.message_id, size, at, owed, later)
        self.wake()

    async def _nonsense(self, entry: Entry) -> None:
        with contextlib.suppress(ProductAwayError):
            await self.product.post(entry.registration.callback_url, b'{"status": "perhaps"}\x00')

    async def _stale(self, entry: Entry) -> None:
        """A refusal of a message that was answered long ago, or never sent."""
        refused = [ErrorDto(code="NO_SNILS", number=22, message="Ответ на прежнее сообщение")]
        answer = wire.Callback(
            relates_to_message=entry.said or str(uuid4()),
            local_uid=entry.registration.local_uid,
            status="error",
            errors=refused,
        )
        with contextlib.suppress(ProductAwayError):
            await self.product.tell(entry, answer)

    async def _call_back(self, entry: Entry) -> None:
        await self.product.tell(entry, answer_of(entry))
        await asyncio.to_thread(self.archive.delivered, entry.key, entry.message_id)
        self.wake()


def answer_of(entry: Entry) -> wire.Callback:
    """The final answer about a decided entry."""
    one = entry.registration
    item = None
    if entry.status == "accepted":
        decided = entry.decided_at or entry.received_at
        item = wire.RegistryItem(emdr_id=entry.emdr_id, registration_date_time=decided)
    return wire.Callback(
        relates_to_message=entry.message_id,
        local_uid=one.local_uid,
        status="success" if item else "error",
        kind=one.kind.code,
        organization=one.organization,
        registry_item=item,
        errors=list(entry.errors),
    )
