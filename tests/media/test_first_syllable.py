"""In a room where not every voice is forwarded, a new one is heard from its first syllable: tones, really decoded."""

import asyncio
import fractions
import math
import struct
import time

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame

from media import speakers
from tests.media.rig import ROOM, Participant, Relay

RATE, FRAME = 48_000, 960
SYLLABLE, REST = 1000, 400  # Hz
SYLLABLE_FRAMES = 6


class Speaker(MediaStreamTrack):
    """Near silence; after `speak` a syllable of one pitch, then words of another."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frame = 0
        self._spoken: int | None = None
        self._began = time.monotonic()

    def speak(self) -> None:
        self._spoken = self._frame + 1

    async def recv(self) -> AudioFrame:
        wait = self._began + self._frame * FRAME / RATE - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._frame += 1
        since = self._frame - self._spoken if self._spoken is not None else -1
        pitch = SYLLABLE if since < SYLLABLE_FRAMES else REST
        amplitude = 12_000 if since >= 0 else 8
        start = self._frame * FRAME
        wave = [int(amplitude * math.sin(2 * math.pi * pitch * (start + n) / RATE)) for n in range(FRAME)]
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(struct.pack(f"<{FRAME}h", *wave))
        frame.pts, frame.sample_rate, frame.time_base = start, RATE, fractions.Fraction(1, RATE)
        return frame


def pitch_of(frame: AudioFrame) -> int | None:
    """The dominant of the two pitches; None when it is quiet."""
    samples = frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)].astype(float)
    if np.sqrt(np.mean(samples**2)) < 1000:
        return None
    spectrum = np.abs(np.fft.rfft(samples))
    frequency = np.argmax(spectrum) * frame.sample_rate / len(samples)
    return min((SYLLABLE, REST), key=lambda pitch: abs(pitch - frequency))


@pytest.fixture
def one_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two microphones are a crowd of which one is forwarded; twelve real encoders would test the machine."""
    monkeypatch.setattr(speakers, "CROWD", 1)
    monkeypatch.setattr(speakers, "VOICES", 1)


async def test_the_first_syllable_is_decoded_whole(either_relay: Relay, one_voice: None):
    relay = either_relay
    await relay.ask("room.open", **ROOM)
    anna, boris, vera = (Participant(relay, name) for name in ("anna", "boris", "vera"))
    voices = {"anna": Speaker(), "boris": Speaker()}
    await vera.subscribe(audio=2, video=0)
    await anna.publish({"mic": voices["anna"]})
    await boris.publish({"mic": voices["boris"]})
    for person in (anna, boris):
        await person.connected("publish")
    await vera.connected("subscribe")
    stage = relay.worker._rooms["r1"].stage
    async with asyncio.timeout(20):
        while set(stage.voices.heard) != {"anna", "boris"}:
            await asyncio.sleep(0.05)
    (shown,) = stage.voices.chosen
    silent = "boris" if shown == "anna" else "anna"
    mid = await vera.slot_with("mic", shown)
    track = vera.track(mid)
    for _ in range(60):  # the one who has the place has had it long enough to lose it
        await track.recv()

    voices[silent].speak()
    heard: list[int] = []
    async with asyncio.timeout(15):
        while heard.count(REST) < 10:
            pitch = pitch_of(await track.recv())
            heard += [pitch] if pitch is not None else []
    assert stage.voices.chosen == (silent,)
    assert heard.index(REST) >= SYLLABLE_FRAMES - 1, f"of the syllable came {heard.index(REST)} frames"
    assert set(heard[: SYLLABLE_FRAMES - 1]) == {SYLLABLE}
    await asyncio.gather(*(person.close() for person in (anna, boris, vera)))
