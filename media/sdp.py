"""Session descriptions from browsers: a strict reader of exactly what the relay needs (RFC 8866 and its kin).

The text is hostile. Everything has a limit, nothing is resolved or guessed, attributes that are not known are
passed over, and whatever is wrong comes out as BadSdp with a reason. Candidates are counted and otherwise ignored:
the relay is an ICE-lite agent, it waits to be called.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from media.errors import BadSdp

MAX_SDP_BYTES = 64 * 1024
MAX_LINE = 2048
MAX_PUBLISH_SECTIONS = 16
MAX_SUBSCRIBE_SECTIONS = 40
MAX_CANDIDATES = 64
MAX_FORMATS = 64  # payload types of an m-line
MAX_SSRCS = 16  # of an m-line
MAX_EXTENSIONS = 32  # of an m-line
MAX_FEEDBACK = 256  # a=rtcp-fb of an m-line; browsers write some sixty
MAX_FINGERPRINTS = 8
MAX_RIDS = 3

PROTOCOL = "UDP/TLS/RTP/SAVPF"
DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
SETUPS = frozenset({"actpass", "active", "passive"})

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,16}\Z")
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]+\Z")
_FINGERPRINT = re.compile(r"sha-(256|384|512) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31,63})\Z")
_CODEC = re.compile(r"([A-Za-z0-9_.-]{1,32})/([0-9]{1,6})(?:/([0-9]{1,2}))?\Z")
_PRINTABLE = re.compile(r"[\t\x20-\x7e]*\Z")


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type: `name` in lower case, `parameters` as a=fmtp says them, `feedback` as a=rtcp-fb does."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    parameters: str = ""
    feedback: tuple[str, ...] = ()

    def parameter(self, name: str) -> str | None:
        for part in self.parameters.split(";"):
            key, _, value = part.strip().partition("=")
            if key.lower() == name:
                return value.strip()
        return None


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line. `rejected` ones (port 0) have nothing else of use.

    formats: in the order of preference
    extensions: URI -> (number, direction of the attribute)
    rids: simulcast encodings it sends, in the order of a=simulcast
    ssrcs: media SSRC -> its RTX SSRC or 0, in the order they were announced
    """

    mid: str
    kind: str
    rejected: bool
    direction: str
    formats: tuple[Format, ...]
    extensions: dict[str, tuple[int, str]]
    rids: tuple[str, ...]
    ssrcs: dict[int, int]
    reduced_size: bool  # a=rtcp-rsize


@dataclass(frozen=True, slots=True)
class Description:
    """An offer or an answer. Everything is bundled, so there is one transport: that of the first m-line."""

    ufrag: str
    password: str
    setup: str
    fingerprints: tuple[tuple[str, str], ...]  # (algorithm, value in capitals)
    sections: tuple[Section, ...]


@dataclass(slots=True)
class _Lines:
    """The attributes of one part, by name, in order; those without a value have an empty one."""

    head: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def one(self, name: str) -> str | None:
        """The value of an attribute that may stand once; the last one counts."""
        values = self.attributes.get(name)
        return values[-1] if values else None

    def all(self, name: str) -> list[str]:
        return self.attributes.get(name, [])


def read(text: str, max_sections: int) -> Description:
    """Read an offer or answer within the relay's limits; raises BadSdp with the reason."""
    if len(text) > MAX_SDP_BYTES:
        raise BadSdp(f"longer than {MAX_SDP_BYTES} bytes")
    session, parts = _split(text, max_sections)
    if not parts:
        raise BadSdp("no m-lines")
    alike = _Alike()
    sections = tuple(_section(part, alike) for part in parts)
    bundled = [section for section in sections if not section.rejected]
    if not bundled:
        raise BadSdp("every m-line is rejected")
    mids = [section.mid for section in bundled]
    if len(set(mids)) != len(mids):
        raise BadSdp("the same MID twice")
    if set(mids) - _bundle(session):
        raise BadSdp("every m-line must be in one BUNDLE group")
    _check_extensions(bundled)
    for part, section in zip(parts, sections, strict=True):
        if not section.rejected:
            _transport(session, part)  # each must say it, whether or not it is the one that counts
    first = next(part for part, section in zip(parts, sections, strict=True) if not section.rejected)
    ufrag, password, setup, fingerprints = _transport(session, first)
    return Description(ufrag, password, setup, fingerprints, sections)


def _split(text: str, max_sections: int) -> tuple[_Lines, list[_Lines]]:
    session, parts, candidates = _Lines(), list[_Lines](), 0
    part = session
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("a="):
            if len(line) > MAX_LINE or not _PRINTABLE.match(line):
                raise BadSdp("a line is too long or not ASCII")
            name, _, value = line[2:].partition(":")
            if name == "candidate":
                candidates += 1
                if candidates > MAX_CANDIDATES:
                    raise BadSdp(f"more than {MAX_CANDIDATES} candidates")
                continue
            part.attributes.setdefault(name, []).append(value)
        elif line.startswith("m="):
            if len(parts) >= max_sections:
                raise BadSdp(f"more than {max_sections} m-lines")
            part = _Lines(line[2:])
            parts.append(part)
        elif line and (len(line) < 2 or line[1] != "=" or not line.isascii()):
            raise BadSdp("not a session description")
    return session, parts


def _bundle(session: _Lines) -> set[str]:
    groups = [value.split() for value in session.all("group")]
    return next((set(group[1:]) for group in groups if group[:1] == ["BUNDLE"]), set())


def _transport(session: _Lines, part: _Lines) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    """(ufrag, password, setup, fingerprints) of a section, its own before the session's."""
    ufrag, password = _own(session, part, "ice-ufrag"), _own(session, part, "ice-pwd")
    if not 4 <= len(ufrag) <= 256 or not 22 <= len(password) <= 256:  # RFC 8839, section 5.4
        raise BadSdp("ICE credentials are missing or of a wrong length")
    if not _ICE_CHARS.match(ufrag) or not _ICE_CHARS.match(password):
        raise BadSdp("ICE credentials with other characters than ICE's")
    setup = _own(session, part, "setup")
    if setup not in SETUPS:
        raise BadSdp("no a=setup, or one of an unknown kind")
    values = part.all("fingerprint") or session.all("fingerprint")
    if not values:
        raise BadSdp("no fingerprint: who is on the other side could not be checked")
    if len(values) > MAX_FINGERPRINTS:
        raise BadSdp(f"more than {MAX_FINGERPRINTS} fingerprints")
    return ufrag, password, setup, tuple(_fingerprint(value) for value in values)


def _own(session: _Lines, part: _Lines, name: str) -> str:
    return part.one(name) or session.one(name) or ""


@lru_cache(maxsize=256)
def _fingerprint(value: str) -> tuple[str, str]:
    match = _FINGERPRINT.match(value)
    if match is None or len(match[2]) != int(match[1]) // 8 * 3 - 1:
        raise BadSdp("fingerprint of an unknown kind")
    return f"sha-{match[1]}", match[2].upper()


@dataclass(slots=True)
class _Alike:
    """M-lines of one description that say the same of codecs and extensions are read once."""

    formats: dict[tuple[str, ...], tuple[Format, ...]] = field(default_factory=dict)
    extensions: dict[tuple[str, ...], dict[str, tuple[int, str]]] = field(default_factory=dict)


def _section(part: _Lines, alike: _Alike) -> Section:
    words = part.head.split(" ")
    if len(words) < 4 or len(words) > 3 + MAX_FORMATS:
        raise BadSdp("an m-line without formats, or with too many")
    kind, port, protocol, formats = words[0], _number(words[1], 65535, "port"), words[2], words[3:]
    mid = part.one("mid") or ""
    if port == 0 and "bundle-only" not in part.attributes:  # RFC 9143, section 6
        return Section(
            mid if _TOKEN.match(mid) else "", kind if kind == "audio" else "video", True, "inactive",
            (), {}, (), {}, False,
        )  # fmt: skip
    if kind not in {"audio", "video"}:
        raise BadSdp("only audio and video are relayed")
    if protocol != PROTOCOL:
        raise BadSdp(f"only {PROTOCOL} is spoken")
    if not _TOKEN.match(mid):
        raise BadSdp("MIDs must be present and short")
    if "rtcp-mux" not in part.attributes:
        raise BadSdp("a=rtcp-mux is required")
    direction = next((name for name in part.attributes if name in DIRECTIONS), "sendrecv")
    rids = _rids(part)
    return Section(
        mid=mid,
        kind=kind,
        rejected=False,
        direction=direction,
        formats=_formats_alike(formats, part, alike),
        extensions=_extensions_alike(part, alike),
        rids=rids,
        ssrcs={} if rids else _ssrcs(part),
        reduced_size="rtcp-rsize" in part.attributes,
    )


def _formats_alike(numbers: list[str], part: _Lines, alike: _Alike) -> tuple[Format, ...]:
    key = (*numbers, "", *part.all("rtpmap"), "", *part.all("fmtp"), "", *part.all("rtcp-fb"))
    if (found := alike.formats.get(key)) is None:
        found = alike.formats[key] = _formats(numbers, part)
    return found


def _extensions_alike(part: _Lines, alike: _Alike) -> dict[str, tuple[int, str]]:
    key = tuple(part.all("extmap"))
    if (found := alike.extensions.get(key)) is None:
        found = alike.extensions[key] = _extensions(part)
    return found


def _formats(numbers: list[str], part: _Lines) -> tuple[Format, ...]:
    """The payload types of the m-line that have an a=rtpmap, in its order."""
    wanted = list(dict.fromkeys(_number(number, 127, "payload type") for number in numbers))
    names = dict(_by_payload_type(part.all("rtpmap"), "rtpmap"))
    parameters = dict(_by_payload_type(part.all("fmtp"), "fmtp"))
    feedback: dict[int, list[str]] = {}
    if len(part.all("rtcp-fb")) > MAX_FEEDBACK:
        raise BadSdp(f"more than {MAX_FEEDBACK} kinds of feedback")
    for value in part.all("rtcp-fb"):
        number, _, what = value.partition(" ")
        for payload_type in wanted if number == "*" else [_number(number, 127, "payload type")]:
            feedback.setdefault(payload_type, []).append(what)
    return tuple(
        Format(number, *_codec(names[number]), parameters.get(number, ""), tuple(feedback.get(number, ())))
        for number in wanted
        if number in names
    )


def _by_payload_type(values: list[str], what: str) -> list[tuple[int, str]]:
    pairs = [value.partition(" ") for value in values]
    if not all(rest for _, _, rest in pairs):
        raise BadSdp(f"a={what} without a value")
    return [(_number(number, 127, "payload type"), rest) for number, _, rest in pairs]


@lru_cache(maxsize=256)
def _codec(value: str) -> tuple[str, int, int]:
    match = _CODEC.match(value.strip())
    if match is None:
        raise BadSdp("a=rtpmap without a codec")
    return match[1].lower(), int(match[2]), int(match[3] or 1)


def _extensions(part: _Lines) -> dict[str, tuple[int, str]]:
    """One-byte header extensions (RFC 8285); those with other numbers are passed over."""
    values = part.all("extmap")
    if len(values) > MAX_EXTENSIONS:
        raise BadSdp(f"more than {MAX_EXTENSIONS} header extensions")
    found = {}
    for value in values:
        words = value.split(" ")
        number, _, direction = words[0].partition("/")
        if len(words) < 2 or (direction and direction not in DIRECTIONS):
            raise BadSdp("a=extmap is incomplete")
        if 1 <= (own := _number(number, 65535, "extension")) <= 14:
            found[words[1]] = (own, direction)
    return found


def _check_extensions(sections: list[Section]) -> None:
    """Bundled m-lines share their packets' header: a number means one thing (RFC 8843, section 15.1.1)."""
    meaning: dict[int, str] = {}
    different = {
        id(section.extensions): section.extensions for section in sections
    }  # alike ones are the same
    for extensions in different.values():
        for uri, (number, _) in extensions.items():
            if meaning.setdefault(number, uri) != uri:
                raise BadSdp(f"header extension {number} means two things")


def _rids(part: _Lines) -> tuple[str, ...]:
    """Encodings it offers to send (RFC 8853): of alternatives the first, whether or not it begins paused."""
    simulcast = part.one("simulcast")
    if simulcast is None:
        return ()
    words = simulcast.split(" ")
    directions = dict(zip(words[::2], words[1::2], strict=False))
    known = {value.split(" ")[0] for value in part.all("rid") if " send" in value}
    listed = [
        alternatives.split(",")[0].removeprefix("~") for alternatives in directions.get("send", "").split(";")
    ]
    rids = tuple(rid for rid in dict.fromkeys(listed) if rid in known)
    if not all(_TOKEN.match(rid) for rid in rids):
        raise BadSdp("RIDs must be short")
    if len(rids) > MAX_RIDS:
        raise BadSdp(f"more than {MAX_RIDS} simulcast encodings")
    return rids


def _ssrcs(part: _Lines) -> dict[int, int]:
    values = part.all("ssrc")
    numbers = list(dict.fromkeys(value.partition(" ")[0] for value in values))
    if len(numbers) > MAX_SSRCS:
        raise BadSdp(f"more than {MAX_SSRCS} SSRCs")
    announced = [_number(number, 0xFFFFFFFF, "SSRC") for number in numbers]
    pairs = {}
    for group in part.all("ssrc-group"):
        words = group.split()
        if len(words) == 3 and words[0] == "FID":
            pairs[_number(words[1], 0xFFFFFFFF, "SSRC")] = _number(words[2], 0xFFFFFFFF, "SSRC")
    repairs = set(pairs.values())
    return {ssrc: pairs.get(ssrc, 0) for ssrc in announced if ssrc and ssrc not in repairs}


def _number(text: str, high: int, what: str) -> int:
    if not (0 < len(text) <= 10 and text.isascii() and text.isdigit()) or int(text) > high:
        raise BadSdp(f"{what} is no number up to {high}")
    return int(text)
