"""Session descriptions from browsers: vetted before aiortc sees them.

aiortc's parser reports bad input by AssertionError, KeyError, IndexError and others, takes any number of
m-lines and resolves `.local` names; with `.local` candidates alone and a=end-of-candidates it gives up at
once (Firefox without a camera grant). So candidates are taken out here and handed to ICE one by one.
"""

import ipaddress
import re
from dataclasses import dataclass

from aioice import Candidate
from aiortc.sdp import SessionDescription

from media.errors import BadSdp

MAX_SDP_BYTES = 32 * 1024
MAX_PUBLISH_SECTIONS = 16
MAX_SUBSCRIBE_SECTIONS = 40
MAX_CANDIDATES = 64

_SECTION = re.compile(r"^m=", re.MULTILINE)
_MID = re.compile(r"^[A-Za-z0-9_-]{1,16}$")
_FINGERPRINT = re.compile(r"^sha-(256|384|512) ([0-9A-Fa-f]{2}:){31,63}[0-9A-Fa-f]{2}$")


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line: its MID, kind, direction and the SSRCs it announces (media, RTX), if any."""

    mid: str
    kind: str
    direction: str
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Vetted:
    """A description that may be given to aiortc, and the candidates that were in it."""

    text: str
    ufrag: str
    sections: tuple[Section, ...]
    candidates: tuple[Candidate, ...]


def vet(text: str, max_sections: int) -> Vetted:
    """Check an offer or answer against the relay's limits; raises BadSdp with the reason."""
    if len(text) > MAX_SDP_BYTES:
        raise BadSdp(f"longer than {MAX_SDP_BYTES} bytes")
    if not text.isascii():
        raise BadSdp("not ASCII")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if len(_SECTION.findall(text)) > max_sections:
        raise BadSdp(f"more than {max_sections} m-lines")
    found = [line[12:] for line in lines if line.startswith("a=candidate:")]
    if len(found) > MAX_CANDIDATES:
        raise BadSdp(f"more than {MAX_CANDIDATES} candidates")
    _check_fingerprints(lines)
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    stripped = "\r\n".join(_open_bundle_only(kept)) + "\r\n"
    ufrag, sections = _check_structure(_parse(stripped))
    candidates = tuple(c for c in map(parse_candidate, found) if c is not None)
    return Vetted(stripped, ufrag, sections, candidates)


def parse_candidate(value: str) -> Candidate | None:
    """A candidate worth trying: UDP, with a numeric address. None for `.local` names, TCP and nonsense."""
    try:
        candidate = Candidate.from_sdp(value.removeprefix("candidate:"))
        ipaddress.ip_address(candidate.host)
    except (ValueError, IndexError):
        return None
    if candidate.transport.lower() != "udp" or candidate.type not in {"host", "srflx", "relay"}:
        return None
    if candidate.component != 1 or not 0 < candidate.port < 65536:
        return None
    return candidate


def _check_fingerprints(lines: list[str]) -> None:
    values = [line[14:] for line in lines if line.startswith("a=fingerprint:")]
    if not values:
        raise BadSdp("no fingerprint: who is on the other side could not be checked")
    if not all(_FINGERPRINT.match(value) for value in values):
        raise BadSdp("fingerprint of an unknown kind")


def _open_bundle_only(lines: list[str]) -> list[str]:
    """Give bundle-only m-lines a port: Firefox offers all but the first with port 0 (RFC 9143, section 6)."""
    opened: list[str] = []
    section = 0
    for line in lines:
        if line.startswith("m="):
            section = len(opened)
        opened.append(line)
        if line == "a=bundle-only":
            opened[section] = re.sub(r"^(m=\w+) 0 ", r"\1 9 ", opened[section])
    return opened


def _parse(text: str) -> SessionDescription:
    try:
        return SessionDescription.parse(text)
    except Exception as error:  # the parser validates by assert, next() and dict look-ups
        raise BadSdp(f"cannot be parsed ({type(error).__name__})") from error


def _check_structure(description: SessionDescription) -> tuple[str, tuple[Section, ...]]:
    media = description.media
    if not media:
        raise BadSdp("no m-lines")
    mids = [section.rtp.muxId for section in media]
    if len(set(mids)) != len(mids) or not all(_MID.match(mid or "") for mid in mids):
        raise BadSdp("MIDs must be present, unique and short")
    bundle = next((group.items for group in description.group if group.semantic == "BUNDLE"), [])
    if set(mids) - set(bundle):
        raise BadSdp("every m-line must be in one BUNDLE group")
    for section in media:
        if section.kind not in {"audio", "video"}:
            raise BadSdp("only audio and video are relayed")
        if section.port == 0:
            raise BadSdp("rejected m-lines are not supported: set the direction to inactive instead")
        if section.dtls is None or not section.dtls.fingerprints:
            raise BadSdp("no fingerprint or no a=setup")
        if not section.rtcp_mux:
            raise BadSdp("a=rtcp-mux is required")
        if section.ice is None or not section.ice.usernameFragment or not section.ice.password:
            raise BadSdp("ICE credentials are missing")
        if section.direction is None:
            section.direction = "sendrecv"
    sections = tuple(
        Section(m.rtp.muxId, m.kind, m.direction or "sendrecv", tuple(s.ssrc for s in m.ssrc)) for m in media
    )
    assert media[0].ice is not None
    return str(media[0].ice.usernameFragment), sections
