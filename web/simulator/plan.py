"""A seeded mix of lies: at every step with a document a throw decides how the registry misbehaves with it this time.

The throw depends on the seed, the step, the document's key and how often this step was taken with it: the same seed
lies in the same way whatever else happens at the same time. With one document at one step it lies a few times and is
honest then, so that everything ends.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from consilium.filing.advice import ADVICE, Remedy
from web.simulator.modes import OK, Mode

STEPS: dict[str, tuple[str, ...]] = {
    "register": ("down", "garbage", "forget", "drop", "refuse"),
    "decide": ("retry", "reject"),
    "callback": ("twice", "silent", "late", "disorder", "nonsense"),
    "find": ("down", "garbage", "forget"),
}
LATEST = 24 * 3600.0
RETRIED = sorted(code for code, advice in ADVICE.items() if advice.remedy is Remedy.RETRY)
FINAL = sorted(code for code, advice in ADVICE.items() if advice.remedy is not Remedy.RETRY)

# How often each lie is told where it can be; what is left of 1 in each step is honest.
SHARES: dict[str, float] = {
    "register.down": 0.10,
    "register.garbage": 0.04,
    "register.forget": 0.04,
    "register.drop": 0.08,
    "register.refuse": 0.02,
    "decide.retry": 0.12,
    "decide.reject": 0.04,
    "callback.twice": 0.12,
    "callback.silent": 0.10,
    "callback.late": 0.10,
    "callback.disorder": 0.08,
    "callback.nonsense": 0.05,
    "find.down": 0.10,
    "find.garbage": 0.04,
    "find.forget": 0.05,
}


class UnknownShareError(ValueError):
    """No such lie, or lies that are more than everything."""


@dataclass(slots=True)
class Plan:
    """`most`: how many lies one document meets at one step before the registry is honest with it there."""

    seed: int
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    most: int = 3
    told: Counter[str] = field(default_factory=Counter)
    _times: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lies: Counter[tuple[str, str]] = field(default_factory=Counter)

    def behave(self, step: str, key: str) -> Mode:
        """How to behave now with this document at this step."""
        self._times[step, key] += 1
        if self._lies[step, key] >= self.most:
            return OK
        throw = random.Random(f"{self.seed}:{step}:{key}:{self._times[step, key]}")  # noqa: S311  # a plan, no secret
        name = self._name(step, throw.random())
        if name == "ok":
            return OK
        self._lies[step, key] += 1
        self.told[f"{step}.{name}"] += 1
        return _mode(name, throw)

    def _name(self, step: str, point: float) -> str:
        for name in STEPS[step]:
            point -= self.shares.get(f"{step}.{name}", 0.0)
            if point < 0:
                return name
        return "ok"


def _mode(name: str, throw: random.Random) -> Mode:
    match name:
        case "retry":
            return Mode("error", throw.choice(RETRIED))
        case "reject":
            return Mode("error", throw.choice(FINAL))
        case "refuse":
            return Mode("refuse", throw.choice(FINAL + RETRIED))
        case "late":
            return Mode("late", f"{throw.uniform(1, LATEST):.3f}")
        case _:
            return Mode(name)


def checked_shares(given: Mapping[str, object]) -> dict[str, float]:
    """Shares somebody asks for. Raises UnknownShareError."""
    shares: dict[str, float] = {}
    for name, value in given.items():
        if name not in SHARES or isinstance(value, bool) or not isinstance(value, int | float):
            raise UnknownShareError(f"no such lie: {name!r}")
        if not 0 <= value <= 1:
            raise UnknownShareError(f"{name} must be between 0 and 1")
        shares[name] = float(value)
    for step in STEPS:
        if sum(share for name, share in shares.items() if name.startswith(f"{step}.")) > 1:
            raise UnknownShareError(f"the lies at {step} are more than everything")
    return shares
