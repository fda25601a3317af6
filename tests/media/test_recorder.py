"""The recording judged by a reader that is not ours (libav), also after its writer was killed."""

import asyncio
import hashlib
import io
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media import webm
from media.frames import Reorder, Vp8Frames
from media.recorder import Recorder, sweep

FPS, FRAMES = 30, 150


def vp8_frames(count: int = FRAMES) -> list[bytes]:
    """Frames of a moving picture with a key frame every second."""
    coder = av.CodecContext.create("libvpx", "w")
    assert isinstance(coder, av.VideoCodecContext)
    coder.width, coder.height, coder.pix_fmt = 320, 180, "yuv420p"
    coder.time_base = Fraction(1, FPS)
    coder.options = {"deadline": "realtime", "lag-in-frames": "0", "g": str(FPS)}
    found = []
    for number in range(count):
        picture = np.zeros((270, 320), dtype="uint8")
        picture[:180, number : number + 40] = 200
        picture[180:] = 128
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        found += [bytes(packet) for packet in coder.encode(frame)]
    return found


def opus_frames(seconds: int) -> list[bytes]:
    coder = av.CodecContext.create("libopus", "w")
    assert isinstance(coder, av.AudioCodecContext)
    coder.sample_rate, coder.layout, coder.format = 48000, "stereo", "s16"  # type: ignore[assignment]
    tone = (8000 * np.sin(np.arange(48000 * seconds) * 440 * 2 * np.pi / 48000)).astype("int16")
    found = []
    for start in range(0, tone.size, 960):
        frame = av.AudioFrame.from_ndarray(
            np.repeat(tone[start : start + 960], 2).reshape(1, -1), format="s16", layout="stereo"
        )
        frame.sample_rate, frame.pts = 48000, start
        found += [bytes(packet) for packet in coder.encode(frame)]
    return found


def packets(frames: list[bytes], step: int, *, video: bool, first: int = 65_500) -> list[list[bytes]]:
    """RTP packets in clear, those of a frame together; sequence numbers and timestamps pass their ends."""
    seq, ts, found = first, 2**32 - 40 * step, []
    for frame in frames:
        pieces = [frame[at : at + 400] for at in range(0, len(frame), 400)] if video else [frame]
        rows = []
        for number, piece in enumerate(pieces):
            marker = 0x80 if number == len(pieces) - 1 else 0
            head = struct.pack(
                "!BBHLL", 0x80, marker | (96 if video else 111), seq & 0xFFFF, ts & 0xFFFFFFFF, 7
            )
            rows.append(head + (bytes([0x10 if number == 0 else 0]) if video else b"") + piece)
            seq += 1
        found.append(rows)
        ts += step
    return found


class Wall:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def record(folder: Path, told: list[dict[str, object]], seconds: int, *, drop: float = 0.0) -> Recorder:
    """One person's five (or more) seconds, every packet at its own time."""
    wall, chance, ticked = Wall(), random.Random(7), 0.0
    recorder = Recorder(folder, "room-1", told.append, clock=wall)
    due = [
        (number / FPS, "camera", "vp8", packet)
        for number, rows in enumerate(packets(vp8_frames(FPS * seconds), 3000, video=True))
        for packet in rows
    ] + [
        (number / 50, "mic", "opus", rows[0])
        for number, rows in enumerate(packets(opus_frames(seconds), 960, video=False))
    ]
    for at, source, codec, packet in sorted(due, key=lambda one: one[0]):
        wall.now = 1000 + at
        if chance.random() >= drop:
            recorder.packet("seat-1", source, codec, 0, packet)
        if wall.now - ticked >= 0.2:
            ticked = wall.now
            recorder.tick()
    return recorder


def played(path: Path | io.BytesIO) -> dict[str, tuple[int, float]]:
    """By kind: frames that libav decoded, and the last time in seconds."""
    with av.open(path if isinstance(path, io.BytesIO) else str(path)) as file:
        found: dict[str, tuple[int, float]] = {}
        for frame in file.decode(*file.streams):
            kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
            found[kind] = (found.get(kind, (0, 0.0))[0] + 1, float(frame.time or 0.0))
        return found


async def test_what_was_received_plays(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    recorder = await record(tmp_path / "media-1", told, 5)
    await recorder.close("stopped")
    (segment,) = [event for event in told if event["event"] == "record.segment"]
    path = tmp_path / str(segment["file"])
    assert played(path)["video"] == (FRAMES, pytest.approx(FRAMES / FPS, abs=0.1))
    assert played(path)["audio"][0] == 250
    assert segment["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert segment["bytes"] == path.stat().st_size
    assert segment["lost"] == 0


async def test_a_long_recording_is_cut_at_key_frames_and_every_file_plays(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    recorder = await record(tmp_path / "media-1", told, 63)
    await recorder.close("stopped")
    segments = [event for event in told if event["event"] == "record.segment"]
    assert [event["number"] for event in segments] == [1, 2]
    decoded = [played(tmp_path / str(event["file"])) for event in segments]
    assert sum(one["video"][0] for one in decoded) == FPS * 63
    assert sum(one["audio"][0] for one in decoded) == 50 * 63


async def test_lost_packets_leave_a_file_that_plays_and_are_counted(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    recorder = await record(tmp_path / "media-1", told, 5, drop=0.05)
    await recorder.close("stopped")
    (segment,) = [event for event in told if event["event"] == "record.segment"]
    found = played(tmp_path / str(segment["file"]))
    assert int(str(segment["lost"])) > 5
    assert 10 < found["video"][0] < FRAMES
    assert found["audio"][0] > 220


async def test_bytes_on_the_disk_are_proved(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    recorder = await record(tmp_path / "media-1", told, 3)
    await recorder.close("stopped")
    (segment,) = [event for event in told if event["event"] == "record.segment"]
    assert recorder.bytes_proved() == segment["bytes"]
    recorder.tick()
    assert recorder.behind() == 0.0


async def test_a_disk_that_refuses_is_told_and_nothing_raises(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    (tmp_path / "media-1").write_text("in the way")
    recorder = await record(tmp_path / "media-1", told, 1)
    await asyncio.to_thread(lambda: None)
    await recorder.close("stopped")
    await asyncio.sleep(0)
    assert not [event for event in told if event["event"] == "record.segment"]
    assert recorder.bytes_proved() == 0
    assert recorder.behind() > 0.5


async def test_who_comes_back_gets_new_files_beside_the_old_ones(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    recorder = Recorder(tmp_path / "media-1", "room-1", told.append)
    for rows in packets(opus_frames(1), 960, video=False)[:10]:
        recorder.packet("seat-1", "mic", "opus", 0, rows[0])
    recorder.end("seat-1")
    for rows in packets(opus_frames(1), 960, video=False)[:10]:
        recorder.packet("seat-1", "mic", "opus", 0, rows[0])
    await recorder.close("stopped")
    assert [event["number"] for event in told if event["event"] == "record.segment"] == [1, 2]


async def test_a_codec_that_cannot_be_kept_is_a_gap(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    recorder = Recorder(tmp_path / "media-1", "room-1", told.append)
    recorder.packet("seat-1", "camera", "h264", 0, bytes(20))
    recorder.packet("seat-1", "camera", "h264", 0, bytes(20))
    await recorder.close("stopped")
    assert told == [{"event": "record.gap", "reason": "codec"}]


KILLED = """
import asyncio, sys, time
from pathlib import Path
from tests.media.test_recorder import opus_frames, packets, vp8_frames
from media.recorder import Recorder

async def main():
    recorder = Recorder(Path(sys.argv[1]) / "media-1", "room-1", lambda event: None)
    video, audio = packets(vp8_frames(150), 3000, video=True), packets(opus_frames(5), 960, video=False)
    began = time.monotonic()
    for tick in range(150 * 5):
        await asyncio.sleep(max(0, began + tick / 150 - time.monotonic()))
        if tick % 5 == 0:
            for packet in video[tick // 5]:
                recorder.packet("seat-1", "camera", "vp8", 0, packet)
        if tick % 3 == 0:
            recorder.packet("seat-1", "mic", "opus", 0, audio[tick // 3][0])
        if tick % 30 == 0:
            recorder.tick()
            print(tick / 150, flush=True)
asyncio.run(main())
"""


def test_after_kill_9_everything_but_the_last_two_seconds_plays(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    fed = 0.0
    for line in process.stdout:
        fed = float(line)
        if fed > 3.5:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (event,) = sweep(tmp_path / "media-1")
    path = tmp_path / str(event["file"])
    found = played(path)
    assert found["video"][1] > fed - 2
    assert found["audio"][1] > fed - 2
    assert (event["room"], event["peer"], event["reason"]) == ("room-1", "seat-1", "cut")
    assert event["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert float(str(event["seconds"])) > fed - 2
    assert sweep(tmp_path / "media-1") == []


def test_a_file_cut_at_any_byte_gives_its_times_and_never_fails() -> None:
    data = webm.header((webm.Track(1, "audio"),), 1_700_000_000.5) + webm.cluster(2000)
    data += webm.block(1, 500, b"frame" * 40, keyframe=True)
    assert webm.times(data) == (1_700_000_000.5, 2.5)
    for length in range(len(data)):
        began, seconds = webm.times(data[:length])
        assert began in {0.0, 1_700_000_000.5}
        assert 0 <= seconds <= 2.5


def test_order_is_restored_and_a_repeat_fills_its_hole() -> None:
    rows = [rows[0] for rows in packets([bytes([number]) for number in range(60)], 960, video=False)]
    mixed = [*rows[:10], *rows[12:20], rows[11], rows[10], rows[10], *reversed(rows[20:60])]
    order, now, out = Reorder(), 0.0, []
    for packet in mixed:
        order.put(packet, now)
        out += order.take(now)
        now += 0.005
    assert [packet for packet, _ in out] == rows
    assert not any(lost for _, lost in out)


def test_a_hole_is_given_up_after_its_time() -> None:
    rows = [rows[0] for rows in packets([bytes([number]) for number in range(4)], 960, video=False)]
    order = Reorder()
    order.put(rows[0], 0.0)
    order.put(rows[2], 0.1)
    assert order.take(0.2) == [(rows[0], False)]
    assert order.take(0.7) == [(rows[2], True)]
    assert order.lost == 1


@pytest.mark.parametrize("length", range(14, 24))
def test_truncated_pictures_are_no_frames(length: int) -> None:
    packet = packets(vp8_frames(1), 3000, video=True)[0][0][:length]
    Vp8Frames().put(bytes([packet[0], packet[1] | 0x80]) + packet[2:], lost=False)
