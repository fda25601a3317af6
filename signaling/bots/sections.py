"""Writing into the shared protocol text as a browser does: read, change one section, send the update."""

from __future__ import annotations

import base64
from typing import Any

from pycrdt import Doc, Text

from signaling.bots.person import Bot


async def write_section(bot: Bot, protocol: str, section: str, text: str) -> dict[str, Any]:
    """Replace one section's text. The update holds only what this bot did."""
    opened = await bot.room("draft.open", protocol=protocol)
    document: Doc[Text] = Doc()
    document.apply_update(base64.b64decode(opened["update"]))
    before = document.get_state()
    shared = document.get(section, type=Text)
    shared.clear()
    shared += text
    update = base64.b64encode(document.get_update(before)).decode()
    return await bot.room("protocol.write", protocol=protocol, update=update)
