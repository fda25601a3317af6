"""What offers and answers have in common when we write them: the session, our transport, names of extensions."""

from collections.abc import Sequence
from dataclasses import dataclass

from media.ice import Credentials
from media.plane.table import Address, Extensions
from media.sdp import Section

URIS = {
    "urn:ietf:params:rtp-hdrext:sdes:mid": "mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id": "rid",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id": "repaired_rid",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": "level",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": "send_time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": "transport_seq",
    "urn:3gpp:video-orientation": "orientation",
}
URI = {name: uri for uri, name in URIS.items()}
CNAME = "relay"


@dataclass(frozen=True, slots=True)
class Transport:
    """Our end of a connection, as a description says it. `session` is constant, `version` grows with each."""

    session: int
    version: int
    credentials: Credentials
    fingerprint: str
    setup: str
    hosts: tuple[Address, ...]


def session_part(transport: Transport, mids: Sequence[str]) -> list[str]:
    """Everything that is the same for all m-lines stands once, at session level."""
    return [
        "v=0",
        f"o=- {transport.session} {transport.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(mids)}",
        "a=msid-semantic:WMS *",
        f"a=ice-ufrag:{transport.credentials.ufrag}",
        f"a=ice-pwd:{transport.credentials.password}",
        f"a=fingerprint:{transport.fingerprint}",
        f"a=setup:{transport.setup}",
    ]


def candidates(transport: Transport) -> list[str]:
    """Host candidates, the first address first (RFC 8445, section 5.1.2.1); in every m-line, aiortc takes the last's."""
    lines = [
        f"a=candidate:{place + 1} 1 udp {126 << 24 | 65535 - place << 8 | 255} {host} {port} typ host"
        for place, (host, port) in enumerate(transport.hosts)
    ]
    return [*lines, "a=end-of-candidates"]


def extensions_of(sections: Sequence[Section], names: Sequence[str]) -> Extensions:
    """The numbers of these extensions in a description whose numbers do not contradict each other."""
    numbers = {
        URIS[uri]: number
        for section in sections
        for uri, (number, _) in section.extensions.items()
        if URIS.get(uri) in names
    }
    return Extensions(**numbers)
