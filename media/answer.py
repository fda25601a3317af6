"""The relay's answer to what a browser offers to send: which codec, which layers, which feedback.

The first codec of an m-line that can be forwarded is taken, so a browser's preference decides. Simulcast is accepted
by RID as it was offered, lowest encoding first. RED (RFC 2198) stands before opus where it is offered: a browser
sends what stands first, and two copies of every voice survive a bad network.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from media.describe import URI, URIS, Transport, candidates, session_part
from media.errors import BadSdp
from media.plane.table import Codec, Kind
from media.sdp import Description, Format, Section

EXTENSIONS = {
    "audio": ("mid", "level", "transport_seq"),
    "video": ("mid", "rid", "repaired_rid", "send_time", "orientation", "transport_seq"),
}
FEEDBACK = {"audio": (), "video": ("nack", "nack pli", "ccm fir")}
RATE_FEEDBACK = "goog-remb"  # by one of the two the browser learns how much it may send
TRANSPORT_FEEDBACK = "transport-cc"
OPUS = "minptime=10;useinbandfec=1;usedtx=0"
CODECS = {"audio": ("opus",), "video": ("vp8", "h264", "vp9", "av1")}


@dataclass(frozen=True, slots=True)
class Line:
    """What of one m-line is used. `rtx` and `red` are -1 where there is none."""

    section: Section
    main: Format
    rtx: int
    red: int

    @property
    def kind(self) -> Kind:
        return cast("Kind", self.section.kind)

    @property
    def codec(self) -> Codec:
        return cast("Codec", self.main.name)


def choose(section: Section) -> Line:
    """Raises BadSdp when nothing of the m-line can be forwarded."""
    main = next((one for one in section.formats if _usable(section.kind, one)), None)
    if main is None:
        raise BadSdp(f"no codec of m-line {section.mid} is relayed: {', '.join(CODECS[section.kind])}")
    number = str(main.payload_type)
    rtx = [one for one in section.formats if one.name == "rtx" and one.parameter("apt") == number]
    red = [
        one
        for one in section.formats
        if one.name == "red" and section.kind == "audio" and one.parameters.split("/")[0].strip() == number
    ]
    return Line(
        section,
        main,
        rtx[0].payload_type if rtx and section.kind == "video" else -1,
        red[0].payload_type if red else -1,
    )


def _usable(kind: str, offered: Format) -> bool:
    match offered.name:
        case "opus":
            return kind == "audio" and offered.clock_rate == 48000
        case "vp8":
            return kind == "video"
        case "h264":  # what every receiver of ours is offered: baseline, whole frames over several packets
            baseline = (offered.parameter("profile-level-id") or "42").startswith("42")
            return kind == "video" and baseline and offered.parameter("packetization-mode") == "1"
        case "vp9":
            return kind == "video" and offered.parameter("profile-id") in {None, "0"}
        case "av1":
            return kind == "video" and offered.parameter("profile") in {None, "0"}
        case _:
            return False


def offers_transport_cc(lines: Iterable[Line]) -> bool:
    """Whether packets of this offer are numbered for transport-wide feedback, and it is understood."""
    return any(
        URI["transport_seq"] in line.section.extensions and TRANSPORT_FEEDBACK in line.main.feedback
        for line in lines
    )


def write(
    offer: Description,
    lines: Mapping[str, Line],
    allowed: frozenset[str],
    transport: Transport,
    *,
    transport_cc: bool,
) -> str:
    """The answer. `lines` by MID; those not in `allowed` are answered inactive."""
    mids = [section.mid for section in offer.sections if not section.rejected]
    text = session_part(transport, mids)
    for section in offer.sections:
        if section.rejected:
            text += _rejected(section)
            continue
        text += _line(lines[section.mid], active=section.mid in allowed, transport_cc=transport_cc)
        text += candidates(transport)
    return "\r\n".join(text) + "\r\n"


def _rejected(section: Section) -> list[str]:
    lines = [f"m={section.kind} 0 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0", "a=inactive"]
    return [*lines, f"a=mid:{section.mid}"] if section.mid else lines


def _line(line: Line, *, active: bool, transport_cc: bool) -> list[str]:
    section = line.section
    numbers = [line.red] if line.red >= 0 else []
    numbers.append(line.main.payload_type)
    if line.rtx >= 0:
        numbers.append(line.rtx)
    text = [
        f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{section.mid}",
        "a=recvonly" if active else "a=inactive",
        "a=rtcp-mux",
    ]
    if section.reduced_size:
        text.append("a=rtcp-rsize")
    text += _extensions(section, transport_cc=transport_cc)
    return text + _codecs(line, transport_cc=transport_cc) + _simulcast(section.rids)


def _extensions(section: Section, *, transport_cc: bool) -> list[str]:
    text = []
    names = [name for name in EXTENSIONS[section.kind] if transport_cc or name != "transport_seq"]
    for uri, (number, direction) in section.extensions.items():
        if URIS.get(uri) not in names or direction in {"recvonly", "inactive"}:
            continue
        text.append(f"a=extmap:{number}{'/recvonly' if direction == 'sendonly' else ''} {uri}")
    return text


def _codecs(line: Line, *, transport_cc: bool) -> list[str]:
    text = []
    feedback = (*FEEDBACK[line.kind], TRANSPORT_FEEDBACK if transport_cc else RATE_FEEDBACK)
    main, number = line.main, line.main.payload_type
    if line.red >= 0:
        text += [f"a=rtpmap:{line.red} red/48000/2", f"a=fmtp:{line.red} {number}/{number}"]
    channels = f"/{main.channels}" if main.channels > 1 else ""
    text.append(f"a=rtpmap:{number} {NAMES[line.codec]}/{main.clock_rate}{channels}")
    text += [f"a=rtcp-fb:{number} {what}" for what in feedback if what in main.feedback]
    parameters = OPUS if line.codec == "opus" else main.parameters
    if parameters:
        text.append(f"a=fmtp:{number} {parameters}")
    if line.rtx >= 0:
        text += [f"a=rtpmap:{line.rtx} rtx/{main.clock_rate}", f"a=fmtp:{line.rtx} apt={number}"]
    return text


def _simulcast(rids: Sequence[str]) -> list[str]:
    if not rids:
        return []
    return [*(f"a=rid:{rid} recv" for rid in rids), f"a=simulcast:recv {';'.join(rids)}"]


NAMES: dict[str, str] = {"opus": "opus", "vp8": "VP8", "h264": "H264", "vp9": "VP9", "av1": "AV1"}
