"""`POST /api/protocol.check`: what stands in the way of freezing a draft, while it is being written.

Rendering and judging a document takes a tenth of a second of one core, and several people watch one draft. So there
is one check of a protocol at a time: whoever asks while it runs shares the next one, which sees what all have typed;
and never more than `AT_ONCE` in this process, so that the threads stay free for everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from aiohttp import web

from consilium import clock
from consilium.documents.finding import Finding
from consilium.documents.finding_words import PLACES
from consilium.errors import Invalid
from consilium.queries import protocol_check
from consilium.queries.protocol_check import Checked
from web.api import parsing
from web.i18n import Language
from web.limits import Rate
from web.pages.asking import ask
from web.site import caller, site, texts_of

AT_ONCE = 2
CHECKS = Rate(burst=30, per_second=2.0)
SECTIONS = frozenset({"reasons", "course", "state", "decision"})
OUTCOME = frozenset({"diagnosis", "recommendations", "services", "follow_up", "complaints"})
OF_THE_MEETING = frozenset(
    {"participants", "author", "authenticator", "meeting", "kind", "form", "telemedicine"}
)

Work = Callable[[], Awaitable[Checked]]


class Checks:
    """Who waits for which check. Lives on the loop; `close` once, at the end."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._running: dict[UUID, asyncio.Task[Checked]] = {}
        self._next: dict[UUID, asyncio.Task[Checked]] = {}

    async def of(self, protocol: UUID, work: Work) -> Checked:
        """The outcome of a check that begins after this call. Raises what `work` raises."""
        coming = self._next.get(protocol)
        if coming is None:
            coming = asyncio.create_task(self._run(protocol, self._running.get(protocol), work))
            coming.add_done_callback(_read)
            self._next[protocol] = coming
        # One of those who wait may leave; the others still want the answer.
        return await asyncio.shield(coming)

    async def _run(self, protocol: UUID, before: asyncio.Task[Checked] | None, work: Work) -> Checked:
        me = asyncio.current_task()
        try:
            if before is not None:
                await asyncio.wait([before])
            async with self._turns:
                self._running[protocol] = self._next.pop(protocol)
                return await work()
        finally:
            if self._running.get(protocol) is me:
                del self._running[protocol]
            if self._next.get(protocol) is me:
                del self._next[protocol]

    async def close(self) -> None:
        """End what waits or runs."""
        tasks = [*self._running.values(), *self._next.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _read(done: asyncio.Task[Checked]) -> None:
    """A failure nobody waits for any more is not reported as lost."""
    if not done.cancelled():
        done.exception()


CHECKING = web.AppKey("checking", Checks)


async def check(request: web.Request) -> web.StreamResponse:
    """`{protocol}` -> `{status, update, checked, conformant, unchecked, findings: [...]}`; changes nothing."""
    who, here = caller(request), site(request)
    here.limits.take("check", str(who.person.id), CHECKS)
    protocol = _protocol(await parsing.body_of(request))
    await ask(request, protocol_check.seen, protocol)

    async def work() -> Checked:
        return await here.pool.call(protocol_check.checked, here.service.parts, protocol, clock.now())

    found = await request.config_dict[CHECKING].of(protocol, work)
    return web.json_response({"ok": True, **told(found, texts_of(request).language)})


def _protocol(body: dict[str, Any]) -> UUID:
    try:
        return UUID(str(body["protocol"]))
    except (KeyError, ValueError):
        raise Invalid("invalid_field", field="protocol") from None


def told(found: Checked, language: Language) -> dict[str, Any]:
    """For one reader: sentences in his language, and where each thing is put right."""
    report = found.report
    return {
        "status": str(found.status),
        "update": found.update,
        "checked": report is not None,
        "conformant": report is None or report.conformant,
        "guide": report.guide if report else "",
        "rules_fired": report.rules_fired if report else 0,
        "unchecked": list(report.unchecked) if report else [],
        "findings": [told_finding(one, found, language) for one in report.findings] if report else [],
    }


def told_finding(one: Finding, found: Checked, language: Language) -> dict[str, Any]:
    """One thing to put right. `href` is empty where nothing can be done from here."""
    kept = {name: value for name, value in asdict(one).items() if name not in {"ru", "en"}}
    return {
        **kept,
        "text": one.ru if language == "ru" else one.en,
        "place": PLACES[one.field][0 if language == "ru" else 1],
        "href": _href(one, found),
    }


def _href(one: Finding, found: Checked) -> str:
    if one.field in SECTIONS:
        return f"/room/{found.consilium_id}#section-{one.field}"
    if one.field in OUTCOME:
        return f"/protocols/{found.protocol_id}#section-{one.field}"
    if one.field in OF_THE_MEETING:
        return f"/consilia/{found.consilium_id}"
    if one.field == "organisation":
        return "/people"
    return (
        "" if one.field in {"document", "section", "replaces"} else f"/requests/{found.case_id}#patient-title"
    )
