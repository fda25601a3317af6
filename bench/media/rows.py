"""The table of figures to reach, and what is written about each."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

OUTPUT = Path("var/bench/media.json")
RUNS = Path("var/bench/media-runs.json")  # every round as it was measured


@dataclass(frozen=True, slots=True)
class Target:
    """A row: the figure, what it has to reach, and a test of the value where one number decides."""

    measure: str
    words: str
    reached: Callable[[float], bool]


def at_most(limit: float) -> Callable[[float], bool]:
    return lambda value: value <= limit


def at_least(limit: float) -> Callable[[float], bool]:
    return lambda value: value >= limit


TARGETS = {
    "large": Target(
        "8 publishers × 15 receivers, 39k packets/s, AES-GCM: ours / best Janus", "≤ 0.50", at_most(0.50)
    ),
    "small": Target("16 × 3 (small rooms), 31k packets/s: ours / best Janus", "≤ 0.60", at_most(0.60)),
    "cm": Target("AES-CM, 8 × 15: ours / best Janus", "≤ 0.40", at_most(0.40)),
    "p50": Target("added latency p50: ours / Janus", "≤ 0.6", at_most(0.6)),
    "p99": Target("added latency p99: ours / Janus", "≤ 1.0", at_most(1.0)),
    "python": Target("pure-Python fallback / Janus default", "≤ 1.0", at_most(1.0)),
    "capacity": Target("one core, lossless", "≥ 200k packets/s", at_least(200_000)),
    "stalls": Target(
        "20 ms of Python work every 120 ms in the worker: p99 of packets, with and without realtime priority"
        " (both reported)",
        "≤ 1 ms with; ≤ 8 ms without",
        at_most(1.0),
    ),
    "join": Target(
        "CPU per join of a receiver into a 15-person room (30 media lines)", "≤ 15 ms", at_most(15)
    ),
    "first": Target('first remote audio after "enter", p95, loopback', "≤ 500 ms", at_most(500)),
    "killed": Target("worker killed, 8 rooms × 4: audio back on every pair, p95", "≤ 3 s", at_most(3)),
    "memory": Target("memory per idle participant", "≤ 1 MB", at_most(1)),
    "weather": Target(
        "loss 1 / 5 / 10 / 20 % × delay 20 / 200 ms (a user-space link, `facts/reliability.md` A15): audio"
        " concealed (concealedSamples / totalSamplesReceived)",
        "< 2 % at 5 %; < 10 % at 20 %; no call dropped at 30 %",
        lambda value: value < 2,
    ),
}


class Sheet:
    """The rows as they become known, written after each: what was measured survives what comes later."""

    def __init__(self, *, go_on: bool = False) -> None:
        """`go_on`: what an earlier run wrote stays until it is measured again."""
        self._rows: dict[str, dict[str, object]] = {}
        self._runs: dict[str, object] = json.loads(RUNS.read_text()) if go_on and RUNS.exists() else {}
        earlier = json.loads(OUTPUT.read_text()) if go_on and OUTPUT.exists() else []
        known = {row["measure"]: row for row in earlier}
        for name, target in TARGETS.items():
            self.missing(name, "not measured yet")
            self._rows[name] = known.get(target.measure, self._rows[name])

    def put(self, name: str, value: float, extra: Mapping[str, object], *, also: bool = True) -> None:
        """A value; `also`: what else the row demands."""
        target = TARGETS[name]
        met = bool(target.reached(value)) and also
        self._set(name, {"value": round(value, 4), "target": target.words, "met": met, **extra})

    def missing(self, name: str, reason: str) -> None:
        """No value: why. Counts as not met."""
        self._set(name, {"value": None, "target": TARGETS[name].words, "met": False, "reason": reason})

    def begin(self, name: str) -> None:
        self.missing(name, "interrupted")

    def is_missing(self, name: str) -> bool:
        return self._rows[name]["value"] is None

    def all_met(self) -> bool:
        return all(bool(row["met"]) for row in self._rows.values())

    def keep(self, name: str, runs: object) -> None:
        self._runs[name] = runs
        self._write(RUNS, self._runs)

    def _set(self, name: str, fields: dict[str, object]) -> None:
        self._rows[name] = {"measure": TARGETS[name].measure, **fields}
        self._write(OUTPUT, [self._rows[key] for key in TARGETS if key in self._rows])

    def _write(self, path: Path, content: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    def show(self) -> None:
        for row in self._rows.values():
            mark = "met    " if row["met"] else "NOT MET"
            value = row["value"] if row["value"] is not None else f"- ({row['reason']})"
            print(f"{mark} {row['measure']}: {value} (target {row['target']})", flush=True)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]
