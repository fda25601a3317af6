"""Inside: faces, the record led and followed, another case, talk, the vote, a chair who drops, the text."""

from __future__ import annotations

import asyncio
import json
import time

from signaling.bots.sections import write_section
from tests.journeys.before_the_room import FIELDS, SAMPLE_PATIENT
from tests.journeys.browsers import ChromiumWindow, Window
from tests.journeys.table import Table

WORDING = "Рекомендовать хирургическое лечение в объёме лобэктомии."
DISSENT = "Считаю необходимым ещё два курса химиотерапии до операции."
COURSE = "Образование выявлено в мае, проведено два курса терапии с частичным ответом."
SETTLED = "Плоскоклеточный рак, установлен консилиумом в зале"
STATE = "Состояние удовлетворительное, ECOG 1."
NODULE = (0.415, 0.41)
"""Where on the stage the finding of the demonstration's slice lies."""

ENOUGH = 8
"""Decoded frames that prove a moving picture."""

COMES_BACK_WITHIN = 5.0  # seconds, RM-11

# Notes every moment at which the next patient is named while a document of the previous one is still shown.
WATCH = """(() => {
  globalThis.mixed = 0;
  const look = () => {
    const named = document.querySelector("[data-testid=patient-banner]")?.dataset.case === CASE;
    if (named && document.querySelector("[data-testid=page][data-document='DOCUMENT']")) globalThis.mixed += 1;
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
  return true;
})()"""


async def see_each_other(table: Table) -> None:
    """Every window decodes moving pictures of the three others, under their names."""
    for window in table.windows:
        own = "document.querySelector('[data-testid=tile][data-own=true]')?.dataset.seat"
        table.seats[window.name] = await window.until(own, "a tile of one's own")
    await asyncio.gather(*(_sees_all(window, table) for window in table.windows))
    await table.chair.picture("faces")
    await table.other.picture("faces")
    member = table.seats["member"]
    await table.member.click("[data-testid=mic]")
    await table.other.see(f"[data-testid=tile][data-seat='{member}'][data-state=muted]")
    await table.member.click("[data-testid=mic]")


async def _sees_all(window: Window, table: Table) -> None:
    others = [seat for name, seat in table.seats.items() if name != window.name]
    deadline = time.monotonic() + 30
    first: dict[str, int] = {}
    while True:
        now = await window.frames()
        if not first and all(now.get(seat) for seat in others):
            first = now
        if first and all(now.get(seat, 0) >= first[seat] + ENOUGH for seat in others):
            return
        assert time.monotonic() < deadline, f"{window.name} decoded {now} of {others}"
        await asyncio.sleep(0.3)


async def follow_the_presenter(table: Table) -> None:
    """Page, zoom and pointer of the presenter reach everybody; one looks on his own and comes back."""
    chair, member = table.chair, table.member
    await chair.click("[data-testid=primary][data-action=open_item]")
    for window in table.windows:
        assert SAMPLE_PATIENT in await window.text("[data-testid=patient-banner]")
    await chair.click("[data-testid=layout-images]")
    await chair.click("[data-testid=document]")
    shown = await chair.attribute("[data-testid=page]", "data-document")
    await chair.click("[data-testid=page-next]")
    await chair.see("[data-testid=page][data-page='2']")
    await chair.click("[data-testid=zoom-in]")
    page = f"[data-testid=page][data-document='{shown}'][data-page='2'][data-zoom='1.25']"
    for window in table.windows:
        await window.see(page)
        await window.see("[data-testid=sheet][data-state=drawn]")
    await chair.see("[data-testid=pointing][aria-pressed=true]")
    await _point(chair)
    for window in (table.doctor, member, table.other):
        await window.see("[data-testid=pointer]")
    await member.picture("images-english")
    await member.click("[data-testid=explore]")
    await member.press("PageDown")
    await member.see("[data-testid=page][data-page='3']")
    await table.other.see("[data-testid=page][data-page='2']")
    await member.click("[data-testid=back-to-presenter]")
    await member.see(page)


async def show_the_slice(table: Table) -> None:
    """An image is shown as a page is: whole, and with the pointer."""
    await table.chair.click("[data-testid=document]:has-text('КТ')")
    for window in table.windows:
        await window.see("[data-testid=page][data-zoom='1.00'] [data-testid=sheet][data-state=drawn]")
    await _point(table.chair, *NODULE)
    await table.member.see("[data-testid=pointer]")
    await table.doctor.see("[data-testid=pointer]")
    await table.doctor.picture("room")


async def _point(chair: ChromiumWindow, x: float = 0.55, y: float = 0.5) -> None:
    """Move the pointer over the page to this part of its width and height."""
    box = await chair.page.locator("[data-testid=page]").bounding_box()
    assert box is not None
    for part in (x - 0.1, x - 0.05, x):
        await chair.page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] * y)


async def switch_the_case(table: Table) -> None:
    """The next patient is never on a screen together with a document of the previous one (IM-01)."""
    chair = table.chair
    document = await chair.attribute("[data-testid=page]", "data-document")
    watch = WATCH.replace("CASE", json.dumps(table.requests[1])).replace("DOCUMENT", document)
    for window in table.windows:
        await window.evaluate(watch)
    await chair.click("[data-testid=postpone-item]")
    await chair.write("#ask-reason", "Ждём гистологию")
    await chair.click("[data-testid=ask-confirm]")
    for window in table.windows:
        await window.see("[data-testid=no-case]")
        await window.miss("[data-testid=page]")
    await chair.click("[data-testid=primary][data-action=open_item]")
    for window in table.windows:
        await window.see(f"[data-testid=patient-banner][data-case='{table.requests[1]}']")
        assert FIELDS["surname"] in await window.text("[data-testid=patient-banner]")
        assert await window.evaluate("globalThis.mixed") == 0
    await chair.click("[data-testid=layout-record]")
    await table.doctor.see("[data-testid=stage][data-layout=record]")
    await table.doctor.picture("record")


async def talk(table: Table) -> None:
    """One queue of hands with waiting times, the floor, the chat."""
    chair, member, other = table.chair, table.member, table.other
    await member.click("[data-testid=hand]")
    await chair.click("[data-testid=tab-hands]")
    await chair.see(f"[data-testid=hand-row][data-seat='{table.seats['member']}']")
    await other.click("[data-testid=hand]")
    await chair.until("document.querySelectorAll('[data-testid=hand-row]').length === 2", "two hands")
    await chair.picture("hands")
    await chair.click("[data-testid=primary][data-action=give_floor]")
    await member.see("[data-testid=primary][data-action=release_floor]")
    await other.see(f"[data-testid=tile].floor[data-seat='{table.seats['member']}']")
    await member.click("[data-testid=primary][data-action=release_floor]")
    await chair.click("[data-testid=primary][data-action=give_floor]")
    await other.click("[data-testid=primary][data-action=release_floor]")
    await other.click("[data-testid=tab-chat]")
    await other.write("#chat-text", "Снимок от 12 числа?")
    await other.press("Enter")
    await table.doctor.click("[data-testid=tab-chat]")
    assert "Снимок от 12 числа?" in await table.doctor.text("[data-testid=chat-message]")


async def vote(table: Table) -> None:
    """A wording is frozen into the ballot; one changes his vote, one votes against and dissents."""
    chair, member, other = table.chair, table.member, table.other
    await chair.click("[data-testid=primary][data-action=propose]")
    await chair.write("#wording", WORDING)
    await chair.click("[data-testid=propose]")
    await chair.click("[data-testid=primary][data-action=open_vote]")
    for window in table.windows:
        await window.see("[data-testid=ballot][data-state=same]")
        assert await window.text("[data-testid=ballot-wording]") == WORDING
    await table.doctor.see("[data-testid=not-entitled]")
    await member.click("[data-testid=vote-abstain]")
    await member.see("[data-testid=vote-abstain][data-state=chosen]")
    before = await member.attribute("[data-testid=receipt]", "data-receipt")
    await member.click("[data-testid=vote-for]")
    await member.see("[data-testid=vote-for][data-state=chosen]")
    await member.until(
        f"document.querySelector('[data-testid=receipt]').dataset.receipt !== {json.dumps(before)}",
        "another receipt",
    )
    await other.click("[data-testid=vote-against]")
    await other.see("[data-testid=vote-against][data-state=chosen]")
    await other.click("[data-testid=vote-dissent]")
    await other.write("#dissent-text", DISSENT)
    await other.see("[data-testid=dissent-state][data-state=saved]")
    await other.picture("dissent")
    await member.picture("ballot-english")


async def come_back_in_the_middle_of_the_vote(table: Table) -> None:
    """F5: seat, ballot, own vote, dissent and view are there again within five seconds."""
    receipt = await table.member.attribute("[data-testid=receipt]", "data-receipt")
    for window, choice in ((table.member, "for"), (table.other, "against")):
        started = time.monotonic()
        await window.reload()
        await window.see("[data-testid=stage][data-layout=vote] [data-testid=ballot][data-state=same]")
        await window.see(f"[data-testid=vote-{choice}][data-state=chosen]")
        took = time.monotonic() - started
        print(f"    {window.name} is back after {took:.1f} s")
        assert took < COMES_BACK_WITHIN
        assert window.name in table.seats
    assert await table.member.attribute("[data-testid=receipt]", "data-receipt") == receipt
    assert await table.other.evaluate("document.querySelector('#dissent-text').value") == DISSENT
    own = "document.querySelector('[data-testid=tile][data-own=true]')?.dataset.seat"
    assert await table.member.until(own, "the seat") == table.seats["member"]


async def lose_the_chair(table: Table) -> None:
    """The chair's line breaks: the next voting member is offered the chair; the ballot goes on; he returns."""
    chair, member = table.chair, table.member
    await chair.goto("/sign-in")
    await member.see("[data-testid=chair-offer][data-state=offer]", 40)
    await member.picture("chair-offer-english")
    await member.click("[data-testid=take-chair]")
    await member.see("[data-testid=primary][data-action=close_vote]")
    await member.see("[data-testid=ballot]")
    await chair.goto(f"/room/{table.consilium}")
    await chair.click("[data-testid=chair-offer][data-state=return] [data-testid=take-chair]")
    await chair.click("[data-testid=vote-for]")
    await chair.see("[data-testid=vote-for][data-state=chosen]")


async def close_the_vote(table: Table) -> None:
    """The count stands on every screen, by name; the case is decided."""
    chair = table.chair
    await chair.click("[data-testid=primary][data-action=close_vote]")
    assert "Павлова" in await chair.text("[data-testid=ask]")  # she is entitled and has not voted
    await chair.click("[data-testid=ask-confirm]")
    for window in table.windows:
        await window.see("[data-testid=result][data-state=adopted]")
        counts = [await window.text(f"[data-testid=count-{one}]") for one in ("for", "against", "abstain")]
        assert counts == ["2", "1", "0"], window.name
    await table.doctor.picture("result")
    await chair.click("[data-testid=primary][data-action=close_item]")
    await chair.click("[data-testid=ask-confirm]")


async def _settle(table: Table) -> None:
    """The referral's diagnosis in the consilium's words; nothing freezes over what is not saved, others read it live."""
    chair = table.chair
    await chair.click("[data-testid=add-diagnosis]")
    await chair.write("#outcome-diagnoses-0-text", SETTLED)
    assert await chair.evaluate("document.querySelector('[data-testid=freeze]').disabled")
    await chair.click("[data-testid=outcome-save]")
    await chair.see("[data-testid=outcome][data-state=saved]")
    await chair.picture("outcome")
    await table.member.until(
        f"document.querySelector('[data-testid=outcome-summary]')?.textContent.includes({json.dumps(SETTLED)})",
        "what was settled on",
    )
    await chair.see("[data-testid=freeze]:not([disabled])")


async def write_together(table: Table) -> None:
    """The draft has written itself; chair and secretary finish it while a member watches; then it is frozen."""
    chair, member = table.chair, table.member
    await chair.click("[data-testid=primary][data-action=protocol]")
    for window in table.windows:
        await window.see("[data-testid=stage][data-layout=protocol] [data-testid=protocol]")
    table.protocol = await chair.attribute("[data-testid=protocol]", "data-protocol")
    course = "document.querySelector('[data-testid=section-course]')"
    await member.until(f"{course}?.readOnly", "the draft, to be read only")
    await chair.until(
        f"{course}?.value.includes({json.dumps(FIELDS['course'])})", "the course as it was asked"
    )
    await chair.write("[data-testid=section-course]", "")
    lacking = "[data-testid=findings] [data-field=course][data-severity=error]"
    for window in (chair, member):
        await window.see(lacking)
    await chair.click(f"{lacking} a")
    assert await chair.evaluate("document.activeElement.id") == "section-course"
    await asyncio.gather(
        chair.write("[data-testid=section-course]", COURSE),
        write_section(table.secretary, table.protocol, "state", STATE),
    )
    for section, text in (("course", COURSE), ("state", STATE)):
        for window in (member, chair):
            value = f"document.querySelector('[data-testid=section-{section}]').value"
            await window.until(f"{value} === {json.dumps(text)}", f"{section} as it was written")
    for window in (chair, member):
        found = "document.querySelector('[data-testid=findings]').dataset"
        await window.until(f"{found}.state === 'checked' && {found}.errors === '0'", "nothing in the way")
    await _settle(table)
    await member.picture("draft-english")
    await chair.click("[data-testid=freeze]")
    await chair.click("[data-testid=ask-confirm]")
    for window in table.windows:
        await window.see("[data-testid=protocol][data-state=signing] [data-testid=frozen]")
    await chair.picture("frozen")
