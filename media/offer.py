"""The pool of slots a person is offered, and what is left of it after his answer.

No transport-wide feedback is offered: a browser that has none estimates the link by itself and says so by REMB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from media.answer import NAMES
from media.describe import CNAME, URI, Transport, candidates, extensions_of, session_part
from media.plane.table import CLOCK_RATES, Codec, Extensions, Kind
from media.sdp import Description, Section

RED = 63
OPUS = 111
PAYLOAD_TYPES: dict[Kind, dict[Codec, tuple[int, int]]] = {
    "audio": {"opus": (OPUS, -1)},
    "video": {"vp8": (96, 97), "h264": (102, 103), "vp9": (98, 99), "av1": (104, 105)},
}
PARAMETERS = {
    "opus": "minptime=10;useinbandfec=1",
    "h264": "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    "vp9": "profile-id=0",
    "av1": "level-idx=5;profile=0;tier=0",
}
FEEDBACK = ("goog-remb", "ccm fir", "nack", "nack pli")
EXTENSIONS: dict[Kind, dict[str, int]] = {
    "audio": {"mid": 1, "level": 2},
    "video": {"mid": 1, "send_time": 3, "orientation": 4},
}


@dataclass(frozen=True, slots=True)
class Line:
    """One m-line of the pool: constant SSRCs, and the media stream that keeps lips and voice together."""

    mid: str
    kind: Kind
    stream: str
    ssrc: int
    rtx_ssrc: int  # 0 for audio


@dataclass(frozen=True, slots=True)
class Taken:
    """What the receiver took of a line."""

    line: Line
    payload_types: dict[Codec, tuple[int, int]]
    red: int


def _common(kind: Kind) -> list[str]:
    """What all lines of a kind say alike, but for their names."""
    numbers, text = [], []
    for codec, (number, rtx) in PAYLOAD_TYPES[kind].items():
        channels = "/2" if codec == "opus" else ""
        text.append(f"a=rtpmap:{number} {NAMES[codec]}/{CLOCK_RATES[kind]}{channels}")
        text += [f"a=rtcp-fb:{number} {what}" for what in FEEDBACK if kind == "video"]
        if codec in PARAMETERS:
            text.append(f"a=fmtp:{number} {PARAMETERS[codec]}")
        numbers.append(number)
        if rtx >= 0:
            text += [f"a=rtpmap:{rtx} rtx/{CLOCK_RATES[kind]}", f"a=fmtp:{rtx} apt={number}"]
            numbers.append(rtx)
    if kind == "audio":
        text += [f"a=rtpmap:{RED} red/48000/2", f"a=fmtp:{RED} {OPUS}/{OPUS}"]
        numbers.append(RED)
    head = [f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}", "c=IN IP4 0.0.0.0"]
    maps = [f"a=extmap:{number} {URI[name]}" for name, number in EXTENSIONS[kind].items()]
    return [*head, "a=sendonly", "a=rtcp-mux", "a=rtcp-rsize", *maps, *text]


COMMON = {kind: "\r\n".join(_common(kind)) for kind in PAYLOAD_TYPES}


def write(lines: Sequence[Line], transport: Transport) -> str:
    text = session_part(transport, [line.mid for line in lines])
    hosts = candidates(transport)
    for line in lines:
        text += [COMMON[line.kind], f"a=mid:{line.mid}", f"a=msid:{line.stream} {line.stream}-{line.kind}"]
        if line.rtx_ssrc:
            text.append(f"a=ssrc-group:FID {line.ssrc} {line.rtx_ssrc}")
        text.append(f"a=ssrc:{line.ssrc} cname:{CNAME}")
        if line.rtx_ssrc:
            text.append(f"a=ssrc:{line.rtx_ssrc} cname:{CNAME}")
        text += hosts
    return "\r\n".join(text) + "\r\n"


def taken(lines: Sequence[Line], answer: Description) -> tuple[list[Taken], Extensions]:
    """The lines that he receives on, with their codecs, and the numbers of the header extensions."""
    sections = {section.mid: section for section in answer.sections if not section.rejected}
    found = []
    for line in lines:
        section = sections.get(line.mid)
        if section is None or section.kind != line.kind or section.direction not in {"recvonly", "sendrecv"}:
            continue
        one = _taken(line, section)
        if one.payload_types:
            found.append(one)
    names = ("mid", "level", "send_time", "orientation")
    return found, extensions_of([sections[one.line.mid] for one in found], names)


def _taken(line: Line, section: Section) -> Taken:
    """A codec may have another number in the answer; it is his number that he listens for."""
    names = {one.payload_type: one.name for one in section.formats}
    numbers: dict[Codec, tuple[int, int]] = {}
    red = -1
    for one in section.formats:
        if one.name in PAYLOAD_TYPES[line.kind]:
            codec = one.name
            rtx = _rtx_of(section, one.payload_type)
            numbers.setdefault(codec, (one.payload_type, rtx if line.rtx_ssrc else -1))
        elif one.name == "red" and names.get(_first(one.parameters)) == "opus":
            red = one.payload_type
    return Taken(line, numbers, red if line.kind == "audio" else -1)


def _rtx_of(section: Section, payload_type: int) -> int:
    apt = str(payload_type)
    return next(
        (one.payload_type for one in section.formats if one.name == "rtx" and one.parameter("apt") == apt), -1
    )


def _first(parameters: str) -> int:
    number = parameters.split("/", maxsplit=1)[0].strip()
    return int(number) if number.isdigit() and len(number) < 4 else -1
