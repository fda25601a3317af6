"""Who forwards what to whom: the table both forwarders read, and the port they share.

A `Leg` is one peer connection as the packet path sees it: ICE credentials, addresses, SRTP keys, numbers of header
extensions. A publish leg carries `Source`s (microphone, camera, screen), each of one to three `Layer`s (simulcast
encodings of one picture, lowest first). A subscribe leg carries `Slot`s: m-lines with constant SSRC whose source
changes. A slot forwards at most one layer of at most one source.

These objects are plain: the relay fills them in, hands them to a `Forwarder` and tells it of every later change by
one of its methods. Fields under "measured" are written by the forwarder alone; the compiled one writes them when
`refresh` is called.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from socket import socket
from typing import Literal, Protocol

Address = tuple[str, int]  # numeric host, port
Kind = Literal["audio", "video"]
Codec = Literal["opus", "vp8", "h264", "vp9", "av1"]

CLOCK_RATES: dict[Kind, int] = {"audio": 48000, "video": 90000}
SILENCE = 127  # audio level in -dBov
LAYERS = 3
STRAYS_A_SECOND = 50  # RTCP of strangers that the listener is told of; all are counted
SLOTS = 64  # of one leg
SOURCES = 8  # of one leg
GENERATIONS = 2  # ICE credentials of a leg: the present ones and those before the restart
ADDRESSES = 32  # of a leg, that passed an ICE check
SSRCS = 16  # of a leg, learned from MID and RID
MAX_DATAGRAM = 1500
REPLAY_WINDOW = 1024  # packets
RING_PACKETS: dict[Kind, int] = {"audio": 64, "video": 512}
RING_BYTES: dict[Kind, int] = {"audio": 16 * 1024, "video": 512 * 1024}
VOICE_LEVEL = 50  # -dBov; a microphone at least this loud after VOICE_QUIET is told as `voice`
VOICE_QUIET = 0.4  # seconds
AUDIO_LEAD = 0.24  # seconds of what a voice said before it got its slot that are sent with it
RED_DISTANCE = 2  # earlier frames an audio packet may repeat
MISSING_FOR = 1.0  # seconds a lost packet is asked for
MISSING_AGAIN = 0.05  # seconds between two requests for the same packet, at least
MISSING_LIMIT = 128  # losses remembered per layer; a larger gap is not repaired but keyframed
SETTLING = 2.0  # seconds after a switch during which packets from before it may still arrive


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master keys of one leg out of DTLS (RFC 5764); `receive` is the browser's, `send` ours."""

    profile: Literal["AES128_GCM", "AES256_GCM", "AES128_CM_SHA1_80"]
    receive_key: bytes
    receive_salt: bytes
    send_key: bytes
    send_salt: bytes


@dataclass(frozen=True, slots=True)
class Extensions:
    """Negotiated numbers of header extensions on one leg (RFC 8285, one-byte form, 1 to 14); 0 when absent."""

    mid: int = 0
    rid: int = 0
    repaired_rid: int = 0
    level: int = 0  # urn:ietf:params:rtp-hdrext:ssrc-audio-level
    send_time: int = 0  # abs-send-time
    transport_seq: int = 0  # transport-wide-cc
    orientation: int = 0  # urn:3gpp:video-orientation


@dataclass(slots=True)
class LegCounters:
    """Packets and bytes of one leg, and its drops by reason.

    Reasons: stranger (no leg has this address), bad_stun (malformed, unknown ufrag, wrong integrity), too_long,
    unknown_kind, no_keys, flood (more than the leg's ceiling), auth, replay, malformed, unknown_ssrc,
    not_permitted, payload_type, padding, late (older than the switch of source), blocked (the kernel would not
    take it), budget (video beyond what the receiver's link carries), queue_full (Python did not read in time).
    Strangers, bad_stun, too_long and unknown_kind of nobody are counted in `Forwarder.strangers`.
    """

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    resent: int = 0
    drops: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, eq=False)
class Leg:
    """One peer connection. `name` is for people who read logs; `handle` belongs to the forwarder."""

    name: str
    extensions: Extensions = Extensions()
    ceiling: int = 0  # bit/s this leg may send us, 0 for no limit; a burst of one second is let through
    handle: int = -1
    sources: list["Source"] = field(default_factory=list)
    slots: list["Slot"] = field(default_factory=list)

    # measured
    counters: LegCounters = field(default_factory=LegCounters)
    last_heard: float = 0.0  # monotonic; any authenticated STUN or packet of an admitted address


@dataclass(slots=True, eq=False)
class Layer:
    """One encoding of a source. `ssrc` is 0 until an offer or the first packet with its MID (and RID) names it."""

    source: "Source"
    rid: str = ""
    ssrc: int = 0
    rtx_ssrc: int = 0
    handle: int = -1

    # measured; reception as RFC 3550, appendix A.3 and A.8, wants it
    flowing: bool = False
    last_packet: float = 0.0
    packets: int = 0  # without repeats
    bytes: int = 0
    repeated: int = 0  # packets that came by RTX or out of redundancy
    first_seq: int = -1
    highest: int = 0  # extended sequence number
    jitter: float = 0.0  # in units of the clock
    keyframes: int = 0


@dataclass(slots=True, eq=False)
class Source:
    """One stream of a publisher. `open`: he may publish it and has not switched it off."""

    leg: Leg
    name: str  # mic, camera, screen, camera2, ...
    kind: Kind
    codec: Codec
    mid: str
    payload_type: int
    rtx_payload_type: int = -1
    red_payload_type: int = -1
    open: bool = False
    tap: bool = False  # every packet is told to the listener as well (the recorder)
    layers: list[Layer] = field(default_factory=list)  # lowest first; one without simulcast
    handle: int = -1

    # measured
    loudest: int = SILENCE  # since `refresh` was last called for it


@dataclass(slots=True, eq=False)
class Slot:
    """One m-line of a receiver. `payload_types` maps each codec he takes to (media, RTX or -1)."""

    leg: Leg
    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int
    payload_types: dict[Codec, tuple[int, int]]
    red_payload_type: int = -1
    handle: int = -1

    # wished; changed by Forwarder.connect, choose and redundancy only
    source: Source | None = None
    wanted: int = 0  # layer index; -1: paused
    red_distance: int = 0

    # measured
    layer: int = -1  # what flows now
    waiting: bool = False  # for a key frame of `wanted`
    packets: int = 0
    bytes: int = 0
    ts_delta: int = 0  # out = in + delta (modulo 2**32), for sender reports
    last_sent: float = 0.0


class Listener(Protocol):
    """What the packet path tells the relay, always on the event loop's thread. Nothing here may wait."""

    def stun(self, leg: Leg, port: int, address: Address, data: bytes) -> None:
        """A binding request whose USERNAME and MESSAGE-INTEGRITY are this leg's."""

    def dtls(self, leg: Leg, address: Address, data: bytes) -> None: ...

    def rtcp(self, leg: Leg, data: bytes) -> None:
        """SRTCP as it came from an admitted address."""

    def stray(self, port: int, address: Address, data: bytes) -> None:
        """SRTCP, or what claims to be it, from an address that nobody admitted; STRAYS_A_SECOND at most."""

    def flowing(self, layer: Layer) -> None:
        """The first packet of a permitted layer since it was added or `rest` was called."""

    def gap(self, layer: Layer) -> None:
        """Something is missing: call `Forwarder.missing` now and then until it says nothing."""

    def voice(self, source: Source) -> None:
        """Somebody begins to speak (VOICE_LEVEL, VOICE_QUIET)."""

    def keyframe_wanted(self, layer: Layer) -> None:
        """A slot cannot go on without one."""

    def switched(self, slot: Slot) -> None:
        """`slot.layer` is what flows from now on."""

    def tapped(self, source: Source, layer: int, packet: bytes) -> None:
        """An RTP packet in clear, as it was received (RTX and RED undone), header extensions removed."""


class Forwarder(Protocol):
    """The packet path. One per worker; every method is cheap, and called on the event loop's thread."""

    name: Literal["compiled", "python"]
    strangers: Counter[str]  # drops that belong to no leg, by the reasons of LegCounters

    def start(self, sockets: Sequence[socket], listener: Listener) -> None:
        """Read these bound UDP sockets (ports are numbered in this order). Needs a running event loop."""

    def close(self) -> None:
        """Idempotent. Closes the sockets; after it nothing is told any more."""

    def send(self, port: int, data: bytes, address: Address) -> None:
        """One datagram of the relay's own (STUN, DTLS, SRTCP); lost when the kernel does not take it."""

    # legs
    def add_leg(self, leg: Leg) -> None: ...
    def remove_leg(self, leg: Leg) -> None:
        """With its sources, slots, addresses and credentials; idempotent."""

    def credentials(self, leg: Leg, ufrag: str, password: str) -> None:
        """Ours, by which requests are recognised; the oldest of GENERATIONS is forgotten."""

    def admit(self, leg: Leg, port: int, address: Address) -> None:
        """Datagrams from here are this leg's, whoever had the address before."""

    def direct(self, leg: Leg, port: int, address: Address) -> None:
        """Where this leg's packets go from now on (the nominated pair)."""

    def key(self, leg: Leg, keys: SrtpKeys) -> None: ...
    def update_leg(self, leg: Leg) -> None:
        """`extensions` or `ceiling` changed."""

    def budget(self, leg: Leg, video_bits: int) -> None:
        """What may be sent to this leg as video, bit/s; -1 for no limit. Audio always goes."""

    # sources
    def add_source(self, source: Source) -> None:
        """With its layers. Their SSRCs may be 0 yet."""

    def update_source(self, source: Source) -> None:
        """Codec, payload types, `open`, `tap`, layers' RIDs or SSRCs changed."""

    def remove_source(self, source: Source) -> None: ...
    def rest(self, layer: Layer) -> None:
        """The layer counts as not flowing until its next packet."""

    # slots
    def add_slot(self, slot: Slot) -> None: ...
    def connect(self, slot: Slot, source: Source | None, layer: int) -> None:
        """Another source, or none. Video begins with its next key frame, audio AUDIO_LEAD before now."""

    def choose(self, slot: Slot, layer: int) -> None:
        """Another layer of the same source, from its next key frame on; the old one flows until then. -1 pauses."""

    def redundancy(self, slot: Slot, distance: int) -> None:
        """Earlier frames each audio packet repeats (RFC 2198), 0 to RED_DISTANCE; needs `red_payload_type`."""

    def retransmit(self, slot: Slot, lost: Sequence[int]) -> int:
        """Send these of the slot's sequence numbers again by RTX; returns how many were still known."""

    # asking
    def missing(self, layer: Layer) -> list[int]:
        """Sequence numbers to be asked for now; each comes again after MISSING_AGAIN until MISSING_FOR."""

    def take_arrivals(self, leg: Leg) -> list[tuple[int, int]]:
        """(transport-wide sequence number, arrival in monotonic microseconds) since the last call, in order."""

    def refresh(self, legs: Sequence[Leg]) -> None:
        """Bring the measured fields of these legs, their sources, layers and slots up to date."""
