"""Outside again: everybody signs with a key of his browser, the registry gives a number, two judges verify."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from consilium.seal.openssl import openssl_verify
from tests.journeys.browsers import Window
from tests.journeys.in_the_room import DISSENT
from tests.journeys.table import Table

# What the browser keeps of the key: whether it can be taken out, and what it may do.
OWN_KEY = """new Promise((resolve, reject) => {
  const opening = indexedDB.open("consilium-keys");
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const asked = opening.result.transaction("keys").objectStore("keys").getAll();
    asked.onsuccess = () => {
      opening.result.close();
      resolve(asked.result.map(({ keyPair }) => [keyPair.privateKey.extractable, keyPair.privateKey.usages.join()]));
    };
  };
})"""

# The digest of the frozen bytes as this browser computes it, without the product's scripts.
OWN_DIGEST = """(async () => {
  const bytes = await (await fetch("/api/protocol.document/PROTOCOL")).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((octet) => octet.toString(16).padStart(2, "0")).join("");
})()"""


async def leave(table: Table) -> None:
    """The chair ends the meeting; every screen says so and leads on."""
    await table.chair.click("[data-testid=primary][data-action=close_room]")
    await table.chair.click("[data-testid=ask-confirm]")
    for window in table.windows:
        await window.see("[data-testid=gone]")
    await table.member.picture("gone-english")
    await table.secretary.disconnect()


async def sign(table: Table) -> None:
    """Own key, own digest, own signature: in Chromium and in Firefox, the dissent with the protocol."""
    await table.secretary.get_certificate()
    await asyncio.gather(
        *(_sign(window, table) for window in table.windows), table.secretary.sign(table.protocol)
    )


async def _sign(window: Window, table: Table) -> None:
    await window.goto("/")
    await window.click(f'a[href="/signing?protocol={table.protocol}"]')
    await window.path("/signing")
    await window.click("[data-create]")
    await window.see("[data-badge].good")
    assert await window.evaluate(OWN_KEY) == [[False, "sign"]]
    await window.see("[data-compared].good")
    shown = (await window.text("[data-own]")).replace(" ", "")
    assert shown == await window.evaluate(OWN_DIGEST.replace("PROTOCOL", table.protocol))
    assert shown == await window.attribute("#document", "data-digest")
    if window is table.other:
        assert DISSENT in await window.text("#document .note")
    await window.picture("signing")
    await window.click("[data-sign]:not([disabled])")
    await window.until("location.search.includes('done')", "signed")


async def register(table: Table) -> None:
    """Nobody does anything: the page itself comes to show the registry's number."""
    chair = table.chair
    await chair.goto(f"/protocols/{table.protocol}")
    await chair.until("document.querySelector('a[href$=\".asice\"]')", "the package", 60)
    await chair.until("document.body.innerText.includes('Номер в реестре')", "the registry's number", 60)
    await chair.until(
        "document.querySelector('h1').innerText.includes('Подписан и скреплён')", "the state above"
    )
    await chair.picture("registered")
    await table.doctor.goto(f"/journal/{table.requests[1]}")
    assert "Волков" in await table.doctor.text("main")
    await table.doctor.picture("journal")


async def verify(table: Table) -> None:
    """The downloaded package holds for `consilium verify` and for the openssl program alone."""
    package = table.folder / "package.asice"
    await table.chair.download('a[href$=".asice"]', package)
    command = [sys.executable, "-m", "consilium.cli", "verify", str(package)]
    done = await asyncio.to_thread(
        subprocess.run, command, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = await asyncio.to_thread(openssl_verify, package)
    assert outcomes
    assert all(held for _, held in outcomes), outcomes
    signatures = [line for line, _ in outcomes if "signatures/" in line and " cms -verify" in line]
    assert len(signatures) == len(table.windows) + 2  # the secretary and the organisation
    assert sum("dissent/" in line and " cms -verify" in line for line, _ in outcomes) == 1
