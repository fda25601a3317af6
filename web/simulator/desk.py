"""The registry's desk: fetches documents, decides, and tells the product, however long the product is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

import aiohttp

from consilium.clock import now
from consilium.filing import wire
from consilium.filing.wire import ErrorDto
from web.simulator import checks
from web.simulator.archive import Archive, Entry
from web.simulator.modes import Mode

LOG = logging.getLogger(__name__)
MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
EXCHANGE_SECONDS = 10.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
PULL_TRIES = 200  # with the pauses above: well over an hour of absence


class ProductAwayError(Exception):
    """The product did not answer, or not as agreed."""


@dataclass(slots=True)
class Desk:
    """One task that works through the archive; `wake` makes it look at once."""

    archive: Archive
    secret: bytes = field(repr=False)
    product_bases: tuple[str, ...]
    mode: Mode
    own_signers_only: bool = False
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

    def wake(self) -> None:
        """Something new lies on the desk."""
        self._wake.set()

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=EXCHANGE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                self._wake.clear()
                for entry in await asyncio.to_thread(self.archive.due, now().timestamp()):
                    try:
                        await self._handle(session, entry)
                    except Exception:
                        LOG.exception("registry.desk.failed", extra={"message_id": entry.message_id})
                        await self._postpone(entry)
                await self._sleep()

    async def _sleep(self) -> None:
        soonest = await asyncio.to_thread(self.archive.next_due)
        pause = None if soonest is None else max(0.0, soonest - now().timestamp())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()

    async def _handle(self, session: aiohttp.ClientSession, entry: Entry) -> None:
        try:
            if entry.status == "received":
                await self._examine(session, entry)
            else:
                await self._call_back(session, entry)
        except ProductAwayError as away:
            LOG.info("registry.product.away", extra={"message_id": entry.message_id, "why": str(away)})
            await self._postpone(entry)

    async def _postpone(self, entry: Entry) -> None:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(entry.tries, 12)))
        await asyncio.to_thread(self.archive.postpone, entry.key, now().timestamp() + pause)

    async def _examine(self, session: aiohttp.ClientSession, entry: Entry) -> None:
        one = entry.registration
        errors = checks.metadata_errors(one, now(), own_signers_only=self.own_signers_only)
        document = b""
        if not errors:
            try:
                document = await self._pull(session, entry)
            except ProductAwayError:
                if entry.tries < PULL_TRIES:
                    raise
                errors = [checks.error("FILE_WAS_NOT_SENT", 56, "ИС не передала файл ЭМД")]
            else:
                errors = await asyncio.to_thread(checks.document_errors, one, document)
        if not errors and self.mode.name == "error":
            errors = [ErrorDto(code=self.mode.value, number=0, message="Ошибка по заказу испытателя")]
        await self._decide(entry, errors, len(document))

    async def _decide(self, entry: Entry, errors: list[ErrorDto], size: int) -> None:
        owed = {"silent": 0, "twice": 2}.get(self.mode.name, 1)
        if errors:
            await asyncio.to_thread(self.archive.reject, entry.key, entry.message_id, errors, now(), owed)
        else:
            await asyncio.to_thread(self.archive.accept, entry.key, entry.message_id, size, now(), owed)
        self.wake()

    async def _pull(self, session: aiohttp.ClientSession, entry: Entry) -> bytes:
        url = entry.registration.pull_url
        self._check_address(url)
        headers = wire.sign(self.secret, "pull", str(entry.registration.local_uid), b"", now())
        try:
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status != 200:
                    raise ProductAwayError(f"pull answered {response.status}")
                return await _bounded(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProductAwayError("pull failed") from error

    async def _call_back(self, session: aiohttp.ClientSession, entry: Entry) -> None:
        url = entry.registration.callback_url
        self._check_address(url)
        body = wire.encode(answer_of(entry))
        headers = wire.sign(self.secret, "callback", "", body, now())
        headers["Content-Type"] = "application/json"
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                if not 200 <= response.status < 300:
                    raise ProductAwayError(f"callback answered {response.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProductAwayError("callback failed") from error
        await asyncio.to_thread(self.archive.delivered, entry.key, entry.message_id)
        self.wake()

    def _check_address(self, url: str) -> None:
        if not wire.under_allowed_base(url, self.product_bases):
            raise ProductAwayError("the address is not among the allowed ones")


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


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    document = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        document += chunk
        if len(document) > MAX_DOCUMENT_BYTES:
            raise ProductAwayError("the document is too large")
    return bytes(document)
