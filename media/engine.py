"""What all connections of a worker share: its UDP ports, its identity, the packet path and who is told of it."""

import contextlib
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from media.aiortc_seam import RelayCertificate
from media.plane.table import Address, Forwarder, Layer, Leg, LegCounters, Slot, Source
from media.stats import Totals

if TYPE_CHECKING:  # these import Engine from here
    from media.link import Link
    from media.publish import Stream
    from media.subscribe import Subscribe

STRAY_TRIES = 64  # connections whose keys are tried; every Chromium that only receives names itself alike
SOCKET_BUFFER = 4 << 20  # bytes; a burst of key frames towards everybody at once

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SocketPlan:
    """One UDP port on each of these addresses, which are advertised as they stand; 0: any port."""

    addresses: tuple[str, ...]
    port: int = 0


class Engine:
    """Finds the connection, source or slot that an event of the packet path is about (`table.Listener`)."""

    def __init__(
        self, plan: SocketPlan, forwarder: Forwarder, max_bitrate: int, *, transport_cc: bool = True
    ) -> None:
        """Bind, and start the forwarder on the running loop; raises OSError when no address can be bound."""
        self.certificate = RelayCertificate.generateCertificate()
        self.fingerprint = self.certificate.fingerprint
        self.forwarder = forwarder
        self.max_bitrate = max_bitrate
        self.transport_cc = transport_cc  # publishers are told what arrived when; without it, REMB
        self.streams: dict[Source, Stream] = {}
        self.subscribes: dict[Leg, Subscribe] = {}
        self._links: dict[Leg, Link] = {}
        self._totals = Totals()
        self.shed = 0  # layers nobody gets, from the top: the worker is too busy
        sockets = [one for one in map(_bound, plan.addresses, [plan.port] * len(plan.addresses)) if one]
        if not sockets:
            raise OSError(f"no UDP port {plan.port or ''} on {', '.join(plan.addresses)}")
        self.hosts: tuple[Address, ...] = tuple(one.getsockname()[:2] for one in sockets)
        forwarder.start(sockets, self)

    def attach(self, leg: Leg, link: "Link") -> None:
        self._links[leg] = link
        self.forwarder.add_leg(leg)

    def detach(self, leg: Leg) -> None:
        """Idempotent; nothing of this leg is told any more."""
        if self._links.pop(leg, None) is None:
            return
        self.forwarder.refresh([leg])
        self._totals.ended(leg.counters)
        for source in leg.sources:
            self.streams.pop(source, None)
        self.subscribes.pop(leg, None)
        self.forwarder.remove_leg(leg)

    def totals(self) -> LegCounters:
        """Of all connections that are and were; as of the last `Forwarder.refresh`."""
        return self._totals.with_those(leg.counters for leg in self._links)

    @property
    def legs(self) -> int:
        return len(self._links)

    def close(self) -> None:
        """Idempotent. The sockets are closed."""
        self.forwarder.close()

    @property
    def realtime(self) -> bool:
        """Whether packets are forwarded by a thread with realtime priority."""
        return bool(getattr(self.forwarder, "is_realtime", False))

    # --- what the packet path tells ---------------------------------------------------------------

    def stun(self, leg: Leg, port: int, address: Address, data: bytes) -> None:
        if (link := self._links.get(leg)) is not None:
            link.on_stun(port, address, data)

    def dtls(self, leg: Leg, address: Address, data: bytes) -> None:
        if (link := self._links.get(leg)) is not None:
            link.on_dtls(address, data)

    def rtcp(self, leg: Leg, data: bytes) -> None:
        if (link := self._links.get(leg)) is not None:
            link.on_rtcp(data)

    def stray(self, port: int, address: Address, data: bytes) -> None:
        """Perhaps of somebody whose address has just changed. Who has been silent longest is asked first."""
        named = [link for link in self._links.values() if link.may_have_sent(data)]
        for link in sorted(named, key=lambda one: one.rtcp_at)[:STRAY_TRIES]:
            if link.on_stray(port, address, data):
                return

    def flowing(self, layer: Layer) -> None:
        if (stream := self.streams.get(layer.source)) is not None:
            stream.publish.on_flowing(stream)

    def gap(self, layer: Layer) -> None:
        if (stream := self.streams.get(layer.source)) is not None:
            stream.publish.upstream.gap(layer)

    def voice(self, source: Source) -> None:
        if (stream := self.streams.get(source)) is not None:
            stream.publish.on_voice(stream)

    def keyframe_wanted(self, layer: Layer) -> None:
        if (stream := self.streams.get(layer.source)) is not None:
            stream.publish.upstream.keyframe(layer)

    def switched(self, slot: Slot) -> None:
        if (link := self.subscribes.get(slot.leg)) is not None:
            link.on_switched(slot)

    def tapped(self, source: Source, layer: int, packet: bytes) -> None:
        if (stream := self.streams.get(source)) is not None:
            stream.publish.on_tapped(stream, layer, packet)


def _bound(host: str, port: int) -> socket.socket | None:
    """A socket on this address; None when the port is taken, or the machine has lost the address."""
    family = socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6
    one = socket.socket(family, socket.SOCK_DGRAM)
    try:
        one.setblocking(False)
        one.bind((host, port))
    except OSError as error:
        one.close()
        logger.warning("cannot bind %s: %s", host, error.strerror)
        return None
    for plain, forced in ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32)):  # SO_*BUFFORCE of Linux
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER)
            one.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER)  # beyond the limit, where we may
    return one


def ports(hosts: Sequence[Address]) -> str:
    """For people who read logs."""
    return ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts)
