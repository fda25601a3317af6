"""Every page of the path holds WCAG 2.2 A and AA by axe, in both themes; what decides is done by keyboard alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser

from signaling.bots.demo import Demonstration
from tests.conftest import ROOT
from tests.journeys.browsers import ChromiumWindow
from tests.journeys.table import frozen, opened, put_to_vote, scheduled

pytestmark = [pytest.mark.needs_chromium, pytest.mark.timeout(400)]

AXE = ROOT / "web/client/node_modules/axe-core/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
LAYOUTS = ("discussion", "record", "images", "vote", "protocol")
FARTHEST = 120
"""Presses of Tab after which something counts as out of reach."""

# A text that has no translation shows its key.
NAKED = """(() => {
  const areas = new Set(AREAS);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    if (/^[a-z_]+([.][a-z_0-9]+)+$/.test(text) && areas.has(text.split(".")[0])) found.push(text);
  }
  return found;
})()""".replace(
    "AREAS",
    json.dumps(sorted({key.split(".")[0] for key in json.loads((ROOT / "web/locale/ru.json").read_bytes())})),
)

LOOK = """(async (theme) => {
  document.documentElement.dataset.theme = theme;
  await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)));
  const found = await axe.run(document, {runOnly: TAGS, resultTypes: ["violations"]});
  return found.violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .map(({id, nodes}) => `${id}: ${nodes.map((one) => `${one.target} ${one.any[0]?.message ?? ""}`).join(" | ")}`);
})""".replace("TAGS", json.dumps(TAGS))


@dataclass(slots=True)
class Walk:
    """Chromium, the people who are bots, and what axe has found so far: page and theme -> sentences."""

    browser: Browser
    play: Demonstration
    found: dict[str, list[str]]

    async def window(self, login: str) -> ChromiumWindow:
        """A context of its own, signed in."""
        window = await ChromiumWindow.open(self.browser, self.play.url, login)
        await window.sign_in(login)
        return window

    async def look(self, window: ChromiumWindow, name: str) -> None:
        """Ask axe about what is shown now, light and dark; and whether every text has its words."""
        if not await window.evaluate("'axe' in globalThis"):
            await window.page.evaluate(AXE.read_text(encoding="utf-8"))
        if naked := await window.evaluate(NAKED):
            self.found[f"{name}, without words"] = naked
        for theme in ("light", "dark"):
            if problems := await window.evaluate(f"{LOOK}({json.dumps(theme)})"):
                self.found[f"{name}, {theme}"] = problems

    async def open(self, window: ChromiumWindow, path: str) -> None:
        await window.goto(path)
        await self.look(window, path)


async def test_the_path_is_accessible_and_can_be_gone_by_keyboard(chromium_path, tmp_path):
    async with scheduled(chromium_path, tmp_path) as (browser, play):
        path = Walk(browser, play, {})
        await look_at_the_pages(path)
        member = await path.window("member1")
        item = await look_at_the_room(path, member)
        await decide_by_keyboard(path, member, item)
        await sign_by_keyboard(path, member)
        await path.open(member, f"/protocols/{path.play.protocol}")
        registrar = await path.window("nmic.admin")
        await path.open(registrar, "/register")
        assert not path.found, "\n".join(f"{where}: {what}" for where, what in path.found.items())


async def look_at_the_pages(path: Walk) -> None:
    stranger = await ChromiumWindow.open(path.browser, path.play.url, "nobody")
    await path.open(stranger, "/sign-in")
    await stranger.close()
    request, consilium = path.play.request, path.play.consilium
    for login, pages in (
        ("ivanova", ("/", "/requests?box=outgoing", "/requests/new", f"/requests/{request}")),
        ("coordinator", ("/requests?box=incoming", "/consilia", "/consilia/new", f"/journal/{request}")),
        (
            "nmic.admin",
            ("/people", "/bodies", "/health.page", "/settings", "/register", "/filings", "/exchange"),
        ),
        ("member2", (f"/consilia/{consilium}", "/signing", "/nowhere")),
    ):
        window = await path.window(login)
        for page in pages:
            await path.open(window, page)
        if login == "ivanova":
            await look_at_the_form(path, window)
        await window.close()


async def look_at_the_form(path: Walk, doctor: ChromiumWindow) -> None:
    await doctor.goto("/requests/new")
    await doctor.click('button[data-command="request.create"]')
    await doctor.see("#request-form")
    await doctor.click("[data-send]")
    await doctor.until("document.querySelector('[data-error]').textContent", "what is missing")
    await path.look(doctor, "the request form with what is missing")


async def look_at_the_room(path: Walk, member: ChromiumWindow) -> str:
    """The check before it, the lobby, and every layout with a case on the table; answers the item's id."""
    play = path.play
    await member.goto(f"/consilia/{play.consilium}/check")
    await member.see("[data-testid=preview][data-state=on] video")
    await path.look(member, "the check before the room")
    await member.goto(f"/room/{play.consilium}")
    await member.see("[data-testid=lobby]")
    await path.look(member, "the lobby")
    chair = play["chair"]
    other = await path.window("member2")
    item = await opened(play, member, other)
    for layout in LAYOUTS:
        if layout != chair.state["consilium"]["layout"]:
            await chair.room("layout.set", layout=layout)
        await member.see(f"[data-testid=stage][data-layout={layout}]")
        if layout in {"record", "images"}:
            await member.see("[data-testid=sheet][data-state=drawn]")
        await path.look(member, f"the room, {layout}")
    for tab in ("hands", "chat"):
        await member.click(f"[data-testid=tab-{tab}]")
        await path.look(member, f"the room, {tab}")
    await member.press("?")
    await member.see("[data-testid=keys]")
    await path.look(member, "the keys of the room")
    await member.press("Escape")
    await other.click("[data-testid=leave]")
    await other.close()
    return item


async def decide_by_keyboard(path: Walk, member: ChromiumWindow, item: str) -> None:
    """A vote and a dissenting opinion without a pointer; the chair finishes the case."""
    ballot = await put_to_vote(path.play, item, "Рекомендовать операцию.")
    await member.see("[data-testid=ballot][data-state=same]")
    await tab_to(member, "[data-testid=vote-for]")
    await member.press("Enter")
    await member.see("[data-testid=receipt]")
    await tab_to(member, "[data-testid=vote-dissent]")
    await member.press("Enter")
    await member.until("document.activeElement?.id === 'dissent-text'", "the focus in the opinion")
    await member.page.keyboard.type("Нужна повторная биопсия.")
    await member.see("[data-testid=dissent-state][data-state=saved]")
    await path.look(member, "the ballot with a dissenting opinion")
    await path.play["chair"].room("vote.close", ballot=ballot)
    await member.see("[data-testid=result]")
    await path.look(member, "the result")
    await frozen(path.play, item)
    await member.see("[data-testid=frozen]")
    await path.look(member, "the frozen protocol in the room")


async def sign_by_keyboard(path: Walk, member: ChromiumWindow) -> None:
    """The key, the certificate and the signature without a pointer."""
    await member.goto("/signing")
    await member.see("[data-create]")
    await tab_to(member, "[data-create]")
    await member.press("Enter")
    await member.see("[data-badge].good")
    await member.see("[data-compared].good")
    await path.look(member, "the signing desk")
    await tab_to(member, "[data-sign]")
    await member.press("Enter")
    await member.until("location.search.includes('done')", "signed")


async def tab_to(window: ChromiumWindow, selector: str) -> None:
    """Go there by Tab, as somebody without a mouse does; every stop on the way shows its focus."""
    for _ in range(FARTHEST):
        await window.press("Tab")
        state: dict[str, Any] = await window.evaluate(
            f"""(() => {{ const one = document.activeElement; const look = getComputedStyle(one);
              return {{there: one.matches({json.dumps(selector)}), name: one.outerHTML.slice(0, 160),
                seen: look.outlineStyle !== "none" || look.boxShadow !== "none" || one === document.body}}; }})()"""
        )
        assert state["seen"], f"the focus cannot be seen on {state['name']}"
        if state["there"]:
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")
