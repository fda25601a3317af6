"""One-way audio: somebody speaks, the relay forwards it, and a receiver gets nothing.

Two things are noticed without being told by anybody: a slot we send to whose receiver reports do not move, and a
voice that flows in while nothing goes out to the slot it is connected to. The cure is to connect the slot anew,
once per TREAT_EVERY; people on both sides are told.
"""

from dataclasses import dataclass
from typing import Literal

DEAF_FOR = 4.0  # seconds of speech the receiver's reports do not show; they come every one to five
REPORTED_WITHIN = 8.0
REPORTS = 2  # of his that came meanwhile and did not show the voice; one may have crossed it
MUTE_FOR = 20.0  # seconds without any report, after which that proves nothing any more
SENT_AT_LEAST = 50  # packets in that time; fewer prove nothing
TREAT_EVERY = 8.0  # seconds between two cures of the same slot
TREATMENTS = 3  # after as many the browser has to build its connection anew

Action = Literal["reconnected", "rebuild"]


@dataclass(frozen=True, slots=True)
class Heard:
    """One audio slot at one moment.

    source:   identity of what is connected, any hashable; None for nothing
    arrived:  packets of that source that came in, ever
    sent:     packets that went out on the slot, ever
    received: the receiver's extended highest sequence number (RFC 3550, section 6.4.1), None before any report
    reports:  receiver reports of his, whatever is in them, ever
    loud:     somebody was speaking into the source since the last look
    alive:    the receiver's connection was heard lately (a silent connection is another matter)
    """

    source: object
    arrived: int
    sent: int
    received: int | None
    reports: int
    loud: bool
    alive: bool


@dataclass(slots=True)
class Ear:
    """Watches one audio slot; `look` some times a second."""

    _source: object = None
    _begun: float = 0.0
    _arrived: int = 0
    _sent: int = 0
    _received: int | None = None
    _reports: int = 0
    _loud_at: float = -1e9
    _treated_at: float = -1e9
    _treated: int = 0

    def look(self, heard: Heard, now: float) -> Action | None:
        """What is to be done about this slot now, if anything."""
        if heard.source is None or not heard.alive:
            self._begin(heard, now)
            self._treated = 0 if heard.source is None else self._treated
            return None
        if heard.source != self._source:
            self._treated = 0
            self._begin(heard, now)
        if heard.received != self._received:
            self._treated = 0
            self._begin(heard, now)
        if heard.loud:
            self._loud_at = now
        if not self._deaf(heard, now):
            return None
        return self.treat(now)

    def treat(self, now: float) -> Action | None:
        """A cure is wanted (by us, or by the receiver's own page); None while the last one may still work."""
        if now - self._treated_at < TREAT_EVERY:
            return None
        self._treated_at, self._begun = now, now
        self._treated += 1
        return "reconnected" if self._treated <= TREATMENTS else "rebuild"

    def _deaf(self, heard: Heard, now: float) -> bool:
        spoken = now - self._loud_at < DEAF_FOR
        arrived, sent = heard.arrived - self._arrived, heard.sent - self._sent
        if not spoken or arrived < SENT_AT_LEAST:
            return False
        if sent == 0:
            return now - self._begun >= DEAF_FOR
        reported = now - self._begun >= REPORTED_WITHIN and heard.reports - self._reports >= REPORTS
        return sent >= SENT_AT_LEAST and (reported or now - self._begun >= MUTE_FOR)

    def _begin(self, heard: Heard, now: float) -> None:
        self._source, self._begun = heard.source, now
        self._arrived, self._sent = heard.arrived, heard.sent
        self._received, self._reports = heard.received, heard.reports
