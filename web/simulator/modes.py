"""How the registry behaves: honestly, or in one of the ways registries fail."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMES = (
    "ok", "slow", "error", "refuse", "twice", "garbage", "silent", "down",
    "late", "forget", "drop", "disorder", "nonsense", "plan",
)  # fmt: skip
_MODE = re.compile(r"(?P<name>[a-z]+)(?::(?P<value>[A-Z0-9_]{1,80}|[0-9]{1,9}(\.[0-9]{1,6})?))?")
DEFAULT_SLOWNESS = 10.0
DEFAULT_LATENESS = 60.0


class UnknownModeError(ValueError):
    """No such behaviour."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A behaviour.

    ok; slow[:SECONDS] answers a registration late; error:CODE rejects every document by callback; refuse:CODE refuses
    every registration at once; twice delivers each callback two times; garbage answers a registration with a page
    instead of a message; silent decides but never calls back; down answers 503; late[:SECONDS] calls back that much
    later; forget acknowledges and remembers nothing; drop takes a registration and hangs up; disorder follows an
    answer with a contradicting old one; nonsense calls back with garbage first; plan[:SEED] does any of these, each
    document a few times, by a seeded throw (plan.py).
    """

    name: str
    value: str = ""

    @property
    def seconds(self) -> float:
        """How late a slow registry answers, or a late one calls back."""
        usual = DEFAULT_LATENESS if self.name == "late" else DEFAULT_SLOWNESS
        return float(self.value) if self.value else usual

    def __str__(self) -> str:
        return f"{self.name}:{self.value}" if self.value else self.name


OK = Mode("ok")


def parse_mode(text: str) -> Mode:
    """A mode from its text form. Raises UnknownModeError."""
    found = _MODE.fullmatch(text.strip())
    if not found or found["name"] not in NAMES:
        raise UnknownModeError(f"no such mode: {text!r}; known are {', '.join(NAMES)}")
    mode = Mode(found["name"], found["value"] or "")
    number = mode.value.replace(".", "", 1).isdigit()
    wants = {"error": bool(mode.value) and not number, "refuse": bool(mode.value) and not number}
    wants["slow"] = wants["late"] = number or not mode.value
    wants["plan"] = mode.value.isdigit() or not mode.value
    if not wants.get(mode.name, not mode.value):
        raise UnknownModeError(f"{mode.name} does not go with {mode.value!r}")
    return mode
