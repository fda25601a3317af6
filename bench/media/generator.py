"""Python's side of load.c: the trace, the keys, and a run whose figures come back."""

import asyncio
import contextlib
import hashlib
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cffi import FFI
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SOURCE = Path(__file__).with_name("load.c")
CACHE = Path("var/bench/build")
PEOPLE = 64  # as in load.c
SAMPLE = 7  # one in so many packets is decrypted and timed; a prime keeps step with nothing
TRACE = 8.0  # seconds
KEYFRAME_EVERY = 2.0
OPUS_BYTES, VP8_HEAD, MAX_PAYLOAD = 100, 4, 1280
FRAME_BYTES = 3900  # 30 of them a second, each sixtieth a key frame of five times that: 1 Mbit/s

DECLARATIONS = """
typedef struct { double at; int video, size, first, marker, key; } event;
typedef struct {
    uint32_t ssrc; int payload_type; int extension_bytes; uint8_t extension[24];
    int send_time_at, transport_seq_at; uint64_t index;
} stream;
typedef struct {
    uint64_t sent, refused, late, received, expected, streams, sampled, broken; double worst_lag;
} figures;
typedef struct load load;
load *load_new(const event *events, int count, double length, int sample);
void load_free(load *l);
int load_publisher(load *l, int fd, const char *host, int port, int gcm, const uint8_t *key, int bytes,
                   const uint8_t *salt, const uint8_t *authentication, const stream *streams, double offset);
int load_receiver(load *l, int fd, int gcm, const uint8_t *key, int bytes, const uint8_t *salt,
                  const uint8_t *authentication);
int load_control(load *l, uint8_t *data, int *who);
void load_record(load *l, int on);
void load_keyframe(load *l);
void load_stop(load *l);
void load_run(load *l, double speed);
void load_figures(load *l, figures *out);
double load_latency(load *l, double share);
int load_streams(load *l, int number, uint32_t *pairs, int limit);
"""


class CannotCompile(Exception):
    """No C compiler here, or no headers of OpenSSL."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one recorded window says. Latencies in microseconds, from the intended moment of sending."""

    seconds: float
    sent: int
    received: int
    expected: int  # by the sequence numbers of what was received
    streams: int
    refused: int  # by the generator's own kernel
    late: float  # share of packets the generator sent more than 1 ms late
    broken: int  # samples that did not decrypt
    p50: float
    p99: float

    @property
    def loss(self) -> float:
        return max(0.0, 1 - self.received / self.expected) if self.expected else 1.0


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """One direction of one connection, derived (RFC 3711, 4.3; RFC 7714, 11)."""

    gcm: bool
    key: bytes
    salt: bytes
    authentication: bytes


def session_keys(gcm: bool, master: bytes, salt: bytes) -> SessionKeys:  # noqa: FBT001 - a fact, not a switch
    def derive(label: int, length: int) -> bytes:
        start = int.from_bytes(salt.ljust(14, b"\0"), "big") ^ (label << 48)
        counter = (start << 16).to_bytes(16, "big")
        return Cipher(algorithms.AES(master), modes.CTR(counter)).encryptor().update(bytes(length))

    return SessionKeys(gcm, derive(0, len(master)), derive(2, len(salt)), derive(1, 20))


def trace() -> list[tuple[float, int, int, int, int, int]]:
    """One publisher: VP8 640x360 at 30 frames and about 1 Mbit/s, 113 packets, and 50 of Opus a second.

    Sizes of frames vary as an encoder's do; the seed is fixed. Fields as in `event` of load.c.
    """
    chance = random.Random(20)
    events = [(number * 0.02, 0, OPUS_BYTES, 1, 0, 0) for number in range(int(TRACE * 50))]
    for number in range(int(TRACE * 30)):
        key = number % int(KEYFRAME_EVERY * 30) == 0
        size = int(FRAME_BYTES * (5 if key else chance.gammavariate(8, 1 / 8)))
        count = -(-size // MAX_PAYLOAD)
        for packet in range(count):
            bytes_here = max(40, size // count) + VP8_HEAD
            marker = int(packet == count - 1)
            events.append((number / 30, 1, bytes_here, int(packet == 0), marker, int(key)))
    return sorted(events, key=lambda event: event[0])


def compiled() -> Path:
    """The generator as a shared library under var/, made anew when its source changed."""
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    library = CACHE / f"load-{name}.so"
    if library.exists():
        return library.resolve()
    CACHE.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-shared", "-fPIC", "-Wno-deprecated-declarations"]
    try:
        subprocess.run(
            ["gcc", *flags, "-o", str(library), str(SOURCE), "-lcrypto"],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", b"").decode().strip().splitlines()
        raise CannotCompile(reason[0] if reason else str(error)) from error
    return library.resolve()


class Generator:
    """Endpoints are added before the first run; `run` may be repeated."""

    def __init__(self) -> None:
        self.ffi = FFI()
        self.ffi.cdef(DECLARATIONS)
        self._c: Any = self.ffi.dlopen(str(compiled()))
        events = trace()
        self.packets = len(events) / TRACE  # a second and publisher
        self._load = self._c.load_new(self.ffi.new("event[]", events), len(events), TRACE, SAMPLE)
        self._publishers = 0
        self._playing: asyncio.Task[None] | None = None

    def add_publisher(self, fd: int, address: tuple[str, int], keys: SessionKeys, streams: Any) -> int:
        offset = (self._publishers * 0.618034) % 1 / 30  # frames of different cameras do not coincide
        self._publishers += 1
        crypt = (keys.gcm, keys.key, len(keys.key), keys.salt, keys.authentication)
        return int(
            self._c.load_publisher(self._load, fd, address[0].encode(), address[1], *crypt, streams, offset)
        )

    def add_receiver(self, fd: int, keys: SessionKeys) -> int:
        crypt = (keys.gcm, keys.key, len(keys.key), keys.salt, keys.authentication)
        return int(self._c.load_receiver(self._load, fd, *crypt)) + PEOPLE

    @contextlib.asynccontextmanager
    async def playing(self, speed: float, warm: float) -> Any:
        """Packets flow inside; the first `warm` seconds, with their key frames, have passed."""
        task = asyncio.create_task(asyncio.to_thread(self._c.load_run, self._load, speed))
        try:
            for _ in range(4):
                await asyncio.sleep(warm / 4)
                self._c.load_keyframe(self._load)
            yield
        finally:
            self._c.load_stop(self._load)
            await task

    async def record(self, seconds: float, watch: Callable[[], float]) -> tuple[Numbers, float]:
        """Figures of a window, and by how much `watch` grew in it."""
        loop = asyncio.get_running_loop()
        before, started = watch(), loop.time()
        self._c.load_record(self._load, 1)
        await asyncio.sleep(seconds)
        self._c.load_record(self._load, 0)
        grown, elapsed = watch() - before, loop.time() - started
        return self._numbers(elapsed), grown

    def _numbers(self, elapsed: float) -> Numbers:
        found = self.ffi.new("figures *")
        self._c.load_figures(self._load, found)
        return Numbers(
            seconds=elapsed,
            sent=found.sent,
            received=found.received,
            expected=found.expected,
            streams=found.streams,
            refused=found.refused,
            late=found.late / max(1, found.sent),
            broken=found.broken,
            p50=self._c.load_latency(self._load, 0.5),
            p99=self._c.load_latency(self._load, 0.99),
        )

    def controls(self) -> list[tuple[int, bytes]]:
        """Datagrams that are not media, with the number of the endpoint they came to."""
        buffer, who, found = self.ffi.new("uint8_t[1600]"), self.ffi.new("int *"), []
        while length := self._c.load_control(self._load, buffer, who):
            found.append((int(who[0]), bytes(self.ffi.buffer(buffer, length))))
        return found

    def streams(self, receiver: int) -> list[tuple[int, int]]:
        """(SSRC, highest sequence number) of what a receiver hears."""
        pairs = self.ffi.new("uint32_t[256]")
        count = self._c.load_streams(self._load, receiver - PEOPLE, pairs, 128)
        return [(pairs[2 * number], pairs[2 * number + 1]) for number in range(count)]

    def close(self) -> None:
        self._c.load_free(self._load)
