"""What one forwarded packet costs a media worker.

    python -m bench.forward [SECONDS]

Prints `name value unit`; P x S is P publishers and S receivers who each receive all P, and the figures are the
medians of five interleaved rounds of SECONDS (default 3):
  forward.PxS.cpu     us    CPU of the whole worker process (ingress, SRTP both ways, RTCP, its loop) divided
                            by the packets that reached receivers
  forward.PxS.out     packets per second that reached receivers
  forward.PxS.load    %     of one core the worker used
  forward.PxS.loss    %     of what should have reached them
The load is synthetic and open-loop: a publisher sends 50 audio packets of 120 bytes and 30 video frames of four
1050-byte packets a second by the clock, whether or not the worker keeps up; AES-128-GCM; real ICE and DTLS before.
Sender and receivers share this process, pinned to another core than the worker where there is one.
Not measured: latency, loss on the way, simulcast, a real network card.
"""

import asyncio
import contextlib
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aioice.ice
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.control import MediaClient, Message

ROUNDS = 5
LOADS = ((1, 2), (4, 10), (8, 15))
TICK = 0.01  # seconds between looks at the clock
AUDIO_EVERY, VIDEO_EVERY, VIDEO_PACKETS = 0.02, 1 / 30, 4
AUDIO, KEYFRAME, DELTA = b"o" * 100, b"\x10\x00" + b"k" * 1030, b"\x10\x01" + b"d" * 1030


@dataclass
class Stream:
    """One RTP stream of a publisher."""

    ssrc: int
    payload_type: int
    seq: int = 0
    ts: int = 0

    def packet(self, payload: bytes, marker: int = 0) -> bytes:
        head = struct.pack("!BBHLL", 0x80, marker << 7 | self.payload_type, self.seq, self.ts, self.ssrc)
        self.seq = (self.seq + 1) & 0xFFFF
        return head + payload


class Publisher:
    """aiortc connects; after that packets are made here and sent through its socket."""

    def __init__(self, client: MediaClient, name: str) -> None:
        self._client = client
        self._name = name
        self._pc = new_pc()
        self._next_audio = self._next_video = 0.0

    async def connect(self, room: dict[str, Any]) -> None:
        audio = self._pc.addTransceiver("audio", direction="sendonly")
        video = self._pc.addTransceiver("video", direction="sendonly")
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await self._client.request(
            "publish.offer",
            **room,
            peer=self._name,
            sdp=self._pc.localDescription.sdp,
            sources={"0": "mic", "1": "camera"},
            may=["mic", "camera"],
        )
        await connect(self._pc, str(answer["sdp"]), "answer")
        codecs = [codec.payloadType or 0 for t in (audio, video) for codec in t._codecs[:1]]
        self.audio = Stream(audio.sender._ssrc, codecs[0])
        self.video = Stream(video.sender._ssrc, codecs[1])
        dtls = audio.sender.transport
        self._protect = dtls._tx_srtp.protect
        pair = dtls.transport._connection._nominated[1]
        self._send, self._address = pair.protocol.transport.sendto, pair.remote_addr

    def start(self, now: float) -> None:
        self._next_audio = self._next_video = now

    def due(self, now: float) -> int:
        """Send everything that is due by the clock; returns how many packets."""
        sent = 0
        while self._next_audio <= now:
            self._next_audio += AUDIO_EVERY
            self.audio.ts = (self.audio.ts + 960) & 0xFFFFFFFF
            sent += self._put(self.audio.packet(AUDIO))
        while self._next_video <= now:
            self._next_video += VIDEO_EVERY
            sent += self.frame(DELTA)
        return sent

    def frame(self, first: bytes) -> int:
        self.video.ts = (self.video.ts + 3000) & 0xFFFFFFFF
        self._put(self.video.packet(first))
        for number in range(1, VIDEO_PACKETS):
            self._put(self.video.packet(b"\0" + first[1:], marker=int(number == VIDEO_PACKETS - 1)))
        return VIDEO_PACKETS

    def _put(self, packet: bytes) -> int:
        self._send(self._protect(packet), self._address)
        return 1

    async def close(self) -> None:
        await self._pc.close()


class Receiver:
    """Counts what arrives at its socket and leaves it encrypted."""

    def __init__(self, client: MediaClient, name: str) -> None:
        self._client = client
        self._name = name
        self._pc = new_pc()
        self.packets = 0

    async def connect(self, room: dict[str, Any], slots: int) -> None:
        offer = await self._client.request(
            "subscribe.open", **room, peer=self._name, audio=slots, video=slots
        )
        await self._pc.setRemoteDescription(RTCSessionDescription(str(offer["sdp"]), "offer"))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        ready = connected(self._pc)
        await self._client.request(
            "subscribe.answer", **room, peer=self._name, sdp=self._pc.localDescription.sdp
        )
        await ready
        connection = self._pc.getTransceivers()[0].receiver.transport.transport._connection
        for protocol in connection._protocols:
            self._count_at(cast("Any", protocol))

    def _count_at(self, protocol: Any) -> None:
        handle = protocol.datagram_received

        def received(data: bytes, address: tuple[str, int]) -> None:
            if data[0] < 128:
                handle(data, address)  # consent checks go on
            elif not 192 <= data[1] <= 223:
                self.packets += 1

        protocol.datagram_received = received

    async def close(self) -> None:
        await self._pc.close()


@dataclass
class Figures:
    """The rounds of one load."""

    cpu: list[float] = field(default_factory=list)
    out: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)


class Room:
    """P publishers and S receivers, connected and idle between rounds."""

    def __init__(self, client: MediaClient, publishers: int, receivers: int) -> None:
        self.name = f"{publishers}x{receivers}"
        self._client = client
        self._room: dict[str, Any] = {"room": self.name, "epoch": 1}
        self._publishers = [Publisher(client, f"p{number}") for number in range(publishers)]
        self._receivers = [Receiver(client, f"s{number}") for number in range(receivers)]

    async def connect(self) -> None:
        await self._client.request("room.open", **self._room)
        for publisher in self._publishers:
            await publisher.connect(self._room)
        for receiver in self._receivers:
            await receiver.connect(self._room, len(self._publishers))

    async def play(self, seconds: float, worker: int, figures: Figures | None) -> None:
        """One round; the first half second, with its key frames, is not measured."""
        now = time.monotonic()
        for publisher in self._publishers:
            publisher.start(now)
            publisher.due(now)
        await asyncio.sleep(0.2)
        for publisher in self._publishers:
            publisher.frame(KEYFRAME)
        await self._send_for(0.3)
        cpu, arrived, started = cpu_ns(worker), self._arrived(), time.monotonic()
        sent = await self._send_for(seconds)
        await asyncio.sleep(0.05)
        elapsed, got = time.monotonic() - started, self._arrived() - arrived
        used = cpu_ns(worker) - cpu
        if figures is not None:
            figures.cpu.append(used / 1000 / max(1, got))
            figures.out.append(got / elapsed)
            figures.load.append(used / 1e7 / elapsed)
            figures.loss.append(100 * (1 - got / (sent * len(self._receivers))))

    async def _send_for(self, seconds: float) -> int:
        sent, end = 0, time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            sent += sum(publisher.due(now) for publisher in self._publishers)
            await asyncio.sleep(TICK)
        return sent

    def _arrived(self) -> int:
        return sum(receiver.packets for receiver in self._receivers)

    async def close(self) -> None:
        people: list[Publisher | Receiver] = [*self._publishers, *self._receivers]
        for person in people:
            await person.close()
        await self._client.request("room.close", **self._room, reason="measured")


def new_pc() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


async def connected(pc: RTCPeerConnection) -> None:
    done = asyncio.Event()
    pc.on("connectionstatechange", lambda: done.set() if pc.connectionState == "connected" else None)
    if pc.connectionState != "connected":
        await asyncio.wait_for(done.wait(), 20)


async def connect(pc: RTCPeerConnection, sdp: str, kind: str) -> None:
    await pc.setRemoteDescription(RTCSessionDescription(sdp, kind))
    await connected(pc)


def cpu_ns(pid: int) -> int:
    """Nanoseconds on a CPU, all threads (first field of schedstat)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


@contextlib.asynccontextmanager
async def worker(folder: str) -> AsyncIterator[tuple[int, MediaClient]]:
    """A media worker on the first core, and its control client; this process moves to the others."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "media", "--name", "bench", "--address", "127.0.0.1"),
        *("--control", f"unix:{folder}/media.sock"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(process.pid, {cores[0]})
        os.sched_setaffinity(0, set(cores[1:]))
    client = MediaClient(f"unix:{folder}/media.sock", ignore)
    await client.connect(timeout=20)
    try:
        yield process.pid, client
    finally:
        await client.close()
        process.terminate()
        await process.wait()


def loopback_only(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001 - aioice names them
    """In place of aioice's search, which skips 127.0.0.1."""
    return ["127.0.0.1"]


def ignore(_event: Message) -> None:
    """Nothing that the worker tells matters here."""


async def measure(seconds: float) -> dict[str, Figures]:
    found: dict[str, Figures] = {f"{p}x{s}": Figures() for p, s in LOADS}
    with tempfile.TemporaryDirectory() as folder:
        async with worker(folder) as (pid, client):
            for number in range(ROUNDS):
                for publishers, receivers in LOADS:
                    room = Room(client, publishers, receivers)
                    await room.connect()
                    await room.play(seconds, pid, found[room.name])
                    await room.close()
                print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
    return found


def main() -> int:
    """Print one line per figure."""
    aioice.ice.get_host_addresses = loopback_only
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    for name, figures in asyncio.run(measure(seconds)).items():
        print(f"forward.{name}.cpu {statistics.median(figures.cpu):.2f} us_per_packet")
        print(f"forward.{name}.out {statistics.median(figures.out):.0f} packets_per_second")
        print(f"forward.{name}.load {statistics.median(figures.load):.1f} percent_of_a_core")
        print(f"forward.{name}.loss {statistics.median(figures.loss):.3f} percent")
    return 0


if __name__ == "__main__":
    sys.exit(main())
