"""`bench.restore` with participants who cost next to nothing, so that what is measured is the server.

    python -m bench.media.killed [KILLS]

Prints the lines of `bench.restore --how kill` for eight rooms of four. Nobody encodes or decodes: each sends a
made-up Opus packet with his number every 20 ms and reads the numbers of what he receives. They still negotiate
anew by aiortc, all thirty-two in this one process; a browser has cores of its own.
"""

import asyncio
import contextlib
import statistics
import struct
import sys
from typing import Any, cast

from aiortc import RTCBundlePolicy, RTCCertificate, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bench import restore
from signaling.bots.crowd import Crowd
from signaling.bots.media import Ask, Media

ROOMS, PEOPLE, KILLS = 8, 4, 3
FRAME = 0.02


class Voice(Media):
    """Connects, and connects again, as `Media` does; sends its number, hears those of others."""

    certificate = RTCCertificate.generateCertificate()

    def __init__(self, ask: Ask, number: int) -> None:
        super().__init__(ask, number, video=False)
        self._talking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._talking is not None:
            self._talking.cancel()
        await super().close()

    def _connection(self) -> RTCPeerConnection:
        connection = RTCPeerConnection(RTCConfiguration([], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        cast("Any", connection)._RTCPeerConnection__certificates = [self.certificate]
        return connection

    async def _send(self, connection: RTCPeerConnection) -> None:
        line = connection.addTransceiver("audio", direction="sendonly")
        cast("Any", line.sender).send = _nothing
        await connection.setLocalDescription(await connection.createOffer())
        fields = {"sdp": connection.localDescription.sdp, "sources": {str(line.mid): "mic"}}
        answer = await self._ask("media.publish", **fields)
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        if self._talking is not None:
            self._talking.cancel()
        self._talking = asyncio.create_task(self._talk(line))

    async def _talk(self, line: Any) -> None:
        dtls, seq, payload = line.sender.transport, 0, bytes([self._number]) * 60
        while dtls._tx_srtp is None:
            await asyncio.sleep(FRAME)
        while True:
            clock = seq * 960 & 0xFFFFFFFF
            head = struct.pack(
                "!BBHLL", 0x80, line._codecs[0].payloadType, seq & 0xFFFF, clock, line.sender._ssrc
            )
            with contextlib.suppress(ConnectionError):
                await dtls._send_rtp(head + payload)
            seq += 1
            await asyncio.sleep(FRAME)

    def _read(self, connection: RTCPeerConnection, track: object) -> None:
        """Called for each line of the offer: from the first on, packets of all are taken off before the decoder."""
        line = next(one for one in connection.getTransceivers() if one.receiver.track is track)
        cast("Any", line.receiver).receive = _nothing
        dtls = cast("Any", line.receiver.transport)
        mids: dict[int, str] = {}

        async def received(data: bytes, arrival_time_ms: int) -> None:
            if not mids:
                mids.update(_mids(connection))
            self._take(connection, mids.get(struct.unpack_from("!L", data, 8)[0], ""), data[-1])

        dtls._handle_rtp_data = received

    def _take(self, connection: RTCPeerConnection, mid: str, number: int) -> None:
        seat = self._slots.get(mid)
        if connection is self._heard and seat is not None:
            self.heard[seat][number] += 1
            self.heard_again.setdefault(seat, asyncio.get_running_loop().time())


def _mids(connection: RTCPeerConnection) -> dict[int, str]:
    """SSRC -> m-line of what the relay offered."""
    offer = cast("Any", connection)._RTCPeerConnection__remoteDescription()
    return {one.ssrc: media.rtp.muxId for media in offer.media for one in media.ssrc}


async def _nothing(parameters: object) -> None:
    """In place of an encoder or a decoder."""


class Voices(Crowd):
    """The same rooms with light participants."""

    async def speak(self) -> None:
        for room in self.rooms:
            for number, bot in enumerate(room):
                bot.media = Voice(bot.room, number)
                await bot.media.start()
                await bot.room("presence.set", mic=True, camera=False, screen=False)


def main() -> int:
    """Print one line per figure."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    with restore.installation() as (settings, url):
        recovery = asyncio.run(restore.killed(settings, url, kills, Voices(url, ROOMS, PEOPLE), "kill"))
    for stage in restore.STAGES:
        values = sorted(1e3 * one for one in getattr(recovery, stage))
        print(f"restore.kill.{stage} {statistics.median(values):.0f} ms")
        print(f"restore.kill.{stage}.p95 {values[int(len(values) * 0.95) - 1]:.0f} ms")
        print(f"restore.kill.{stage}.max {values[-1]:.0f} ms")
    print(f"restore.kill.strangers {len(recovery.strangers)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
