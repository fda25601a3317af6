"""Who is heard: levels per person and the loudest, calm enough to be shown."""

from dataclasses import dataclass, field

from media.routes import SILENCE

SPEAKING = -50  # dBov; a quiet voice near a laptop microphone
TAKEOVER = 6  # dB a newcomer must be louder than the one shown
HOLD = 1.0  # seconds a silent speaker stays shown
CHANGE = 3  # dB; smaller changes are not worth an event


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
