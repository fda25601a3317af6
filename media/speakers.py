"""Who is heard: levels per person, the loudest, calm enough to be shown, and whose voices a large room forwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from media.plane.table import SILENCE

SPEAKING = -50  # dBov; a quiet voice near a laptop microphone
TAKEOVER = 6  # dB a newcomer must be louder than the one shown
HOLD = 1.0  # seconds a silent speaker stays shown
CHANGE = 3  # dB; smaller changes are not worth an event
CROWD = 8  # microphones; in a larger room only VOICES of them are forwarded
VOICES = 5
PAUSE = 0.6  # seconds without speech after which a voice may lose its place to one that begins
STAY = 1.0  # seconds a voice keeps its place in any case, so that a cough takes it from nobody twice


@dataclass(slots=True)
class Speakers:
    """Smooths audio levels (RFC 6464, here as dBov <= 0) and picks the loudest with hysteresis."""

    loudest: str | None = None
    levels: dict[str, int] = field(default_factory=dict)
    spoke_at: dict[str, float] = field(default_factory=dict)
    _smooth: dict[str, float] = field(default_factory=dict)
    _sent: tuple[str | None, dict[str, int]] = (None, {})

    def update(self, heard: dict[str, int], now: float) -> bool:
        """Take the loudest level of each person since the last call; True when it is worth telling."""
        for gone in set(self._smooth) - set(heard):
            del self._smooth[gone]
        for peer, level in heard.items():
            loudness = float(-level)
            before = self._smooth.get(peer, -float(SILENCE))
            self._smooth[peer] = loudness if loudness > before else before + (loudness - before) * 0.4
            if self._smooth[peer] >= SPEAKING:
                self.spoke_at[peer] = now
        self.levels = {peer: round(level) for peer, level in self._smooth.items()}
        self._choose(now)
        return self._worth_telling()

    def level(self, peer: str) -> float:
        """Smoothed, in dBov."""
        return self._smooth.get(peer, -float(SILENCE))

    def forget(self, peer: str) -> None:
        self.spoke_at.pop(peer, None)

    def _choose(self, now: float) -> None:
        best = max(self._smooth, key=lambda peer: self._smooth[peer], default=None)
        current = self.loudest if self.loudest in self._smooth else None
        held = current is not None and now - self.spoke_at.get(current, 0.0) < HOLD
        if best is not None and self._smooth[best] >= SPEAKING:
            if current is None or not held or self._smooth[best] >= self._smooth[current] + TAKEOVER:
                current = best
        elif not held:
            current = None
        self.loudest = current

    def _worth_telling(self) -> bool:
        loudest, levels = self._sent
        same = loudest == self.loudest and levels.keys() == self.levels.keys()
        if same and all(abs(levels[peer] - level) < CHANGE for peer, level in self.levels.items()):
            return False
        self._sent = (self.loudest, dict(self.levels))
        return True


@dataclass(slots=True)
class Voices:
    """Whose microphones are forwarded: all of them in a small room, the few who speak or spoke last in a large one.

    Who begins to speak gets the place of who has been silent longest, at once (`began`, from the packet itself);
    when all places are taken by people who speak, only by being TAKEOVER louder than the quietest.
    """

    chosen: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()  # all open microphones
    _spoke_at: dict[str, float] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)

    def update(self, levels: Mapping[str, float], now: float) -> bool:
        """Smoothed dBov of every open microphone, some times a second; True when `chosen` has changed."""
        self.heard = tuple(levels)
        for peer in [*self._spoke_at]:
            if peer not in levels:
                self._spoke_at.pop(peer, None)
                self._since.pop(peer, None)
        for peer, level in levels.items():
            if level >= SPEAKING:
                self._spoke_at[peer] = now
        before = self.chosen
        if len(levels) <= CROWD:
            self.chosen = tuple(levels)
        else:
            self._fill(now)
            self._take_over(levels, now)
        return set(before) != set(self.chosen)

    def began(self, peer: str, now: float) -> bool:
        """Somebody begins to speak; True when `chosen` has changed."""
        self._spoke_at[peer] = now
        if peer in self.chosen or peer not in self.heard or len(self.heard) <= CROWD:
            return False
        silent = [one for one in self.chosen if self._may_yield(one, now)]
        if not silent:
            return False
        self._replace(min(silent, key=self._last), peer, now)
        return True

    def _last(self, peer: str) -> float:
        return self._spoke_at.get(peer, 0.0)

    def _may_yield(self, peer: str, now: float) -> bool:
        return now - self._last(peer) >= PAUSE and now - self._since.get(peer, 0.0) >= STAY

    def _fill(self, now: float) -> None:
        """Those who are still there keep their places, free ones go to who spoke last."""
        kept = [peer for peer in self.chosen if peer in self.heard]
        if len(kept) > VOICES:
            kept = sorted(kept, key=self._last, reverse=True)[:VOICES]
        others = sorted((peer for peer in self.heard if peer not in kept), key=self._last, reverse=True)
        added = others[: VOICES - len(kept)]
        self._since |= dict.fromkeys(added, now)
        self.chosen = (*kept, *added)

    def _take_over(self, levels: Mapping[str, float], now: float) -> None:
        waiting = [p for p in levels if p not in self.chosen and levels[p] >= SPEAKING]
        for peer in sorted(waiting, key=lambda one: levels[one], reverse=True):
            silent = [one for one in self.chosen if self._may_yield(one, now)]
            if silent:
                self._replace(min(silent, key=self._last), peer, now)
                continue
            speaking = [one for one in self.chosen if levels[one] >= SPEAKING]
            settled = [one for one in speaking if now - self._since.get(one, 0.0) >= STAY]
            quietest = min(settled, key=lambda one: levels[one], default=None)
            if quietest is not None and levels[peer] >= levels[quietest] + TAKEOVER:
                self._replace(quietest, peer, now)

    def _replace(self, old: str, new: str, now: float) -> None:
        self._since[new] = now
        self.chosen = tuple(new if one == old else one for one in self.chosen)
