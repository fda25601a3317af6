"""The process between two network namespaces: reads a TUN device in each, and decides about every packet.

    python -m bench.network.crossing NEAR_ADDRESS FAR_ADDRESS

It makes both namespaces, says `{"near": FD, "far": FD}` (its open descriptors of them) on standard output, then
takes orders as JSON lines on standard input, each answered by one line. It ends with its standard input.
One thread, one packet in hand at a time.
"""

import ctypes
import fcntl
import json
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

IFF_TUN, IFF_NO_PI, TUNSETIFF = 0x0001, 0x1000, 0x400454CA
CLONE_NEWNET = 0x40000000
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17}
UDP = NUMBERS["udp"]
MTU, LARGEST = 1500, 2048
DNS = (53).to_bytes(2, "big")
BATCH = 64
STRANGERS_KEPT = 64
JITTER_EVERY = 0.02
TICK = 0.001
chance = random.uniform
NO_RULES: dict[int, frozenset[int]] = {}
IPV6_SWITCH = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Way:
    """One direction: where its packets come from, go to, and what happens to them."""

    name: str
    source: int
    target: int
    to: bytes
    outward: bool
    loss: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    seconds_per_byte: float = 0.0
    queue: float = 0.0
    free_at: float = 0.0
    last: float = 0.0
    shift: float = 0.0
    shifted_at: float = 0.0
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)

    def obey(self, wanted: dict[str, float]) -> None:
        self.loss, self.duplicate, self.reorder = wanted["loss"], wanted["duplicate"], wanted["reorder"]
        self.delay, self.jitter = wanted["delay_ms"] / 1e3, wanted["jitter_ms"] / 1e3
        self.seconds_per_byte = 8 / (wanted["rate_kbps"] * 1e3) if wanted["rate_kbps"] else 0.0
        self.queue = wanted["queue_ms"] / 1e3
        self.shift = 0.0

    def arrival(self, at: float) -> float:
        """When a packet that starts at `at` comes out; never before the one in front of it."""
        if self.jitter and at - self.shifted_at > JITTER_EVERY:
            self.shift, self.shifted_at = chance(-self.jitter, self.jitter), at
        self.last = max(at + self.delay + self.shift, self.last)
        return self.last


@dataclass(slots=True)
class Tally:
    passed: int = 0
    octets: int = 0
    lost: int = 0
    dropped: int = 0
    refused: int = 0
    duplicated: int = 0
    strangers: dict[str, int] = field(default_factory=dict)

    def stranger(self, packet: bytes) -> None:
        """IPv6 is switched off in both namespaces, so what is not IPv4 is somebody's raw socket."""
        name = ".".join(map(str, packet[16:20])) if packet[0] >> 4 == 4 else "not IPv4"
        if packet[9] == UDP and _port(packet, destination=True) == DNS:
            name = f"{name} {_asked_name(packet)}"
        if name in self.strangers or len(self.strangers) < STRANGERS_KEPT:
            self.strangers[name] = self.strangers.get(name, 0) + 1


class Crossing:
    """Both ways, the packets under way, the firewall and the NAT."""

    def __init__(self, near: int, far: int, addresses: tuple[bytes, bytes]) -> None:
        self.ways = {
            near: Way("to_far", near, far, addresses[1], outward=True),
            far: Way("to_near", far, near, addresses[0], outward=False),
        }
        self.tally = Tally()
        self.spent = 0.0
        self.rules: dict[int, frozenset[int]] = NO_RULES
        self.restricted = False
        self.mask = 0
        self.flows: set[int] = set()

    def run(self) -> None:
        """Carry packets and take orders until standard input ends."""
        poll, orders = select.epoll(), sys.stdin.fileno()
        for descriptor in (*self.ways, orders):
            poll.register(descriptor, select.EPOLLIN)
        while True:
            wait = self.release()
            if wait > 0:
                # Packets wait in the devices meanwhile: one wake-up for several, and none is late by more than this.
                time.sleep(min(wait, TICK))
                wait = 0.0
            for descriptor, _ in poll.poll(wait):
                if descriptor != orders:
                    self.read(self.ways[descriptor])
                elif not self.order(sys.stdin.buffer.readline()):
                    return

    def read(self, way: Way) -> None:
        """What has come, at most BATCH packets, so that the other direction is not kept waiting."""
        now, source = time.monotonic(), way.source
        for _ in range(BATCH):
            try:
                packet = os.read(source, LARGEST)
            except BlockingIOError:
                return
            if packet[16:20] != way.to or packet[0] >> 4 != 4:
                self.tally.stranger(packet)
            else:
                self.take(way, packet, now)

    def take(self, way: Way, packet: bytes, now: float) -> None:
        """Decide about one packet between the two sides."""
        if self.restricted and not self.allows(packet, outward=way.outward):
            self.tally.refused += 1
            return
        if self.mask and packet[9] == UDP:
            translated = self.translate(packet, outward=way.outward)
            if translated is None:
                self.tally.refused += 1
                return
            packet = translated
        if way.loss and chance(0, 1) < way.loss:
            self.tally.lost += 1
            return
        self.send(way, packet, now)
        if way.duplicate and chance(0, 1) < way.duplicate:
            self.tally.duplicated += 1
            self.send(way, packet, now)

    def send(self, way: Way, packet: bytes, now: float) -> None:
        """At once or later: behind the rate, then after the delay unless it is one that overtakes."""
        at = now
        if way.seconds_per_byte:
            at = max(now, way.free_at)
            if at - now > way.queue:
                self.tally.dropped += 1
                return
            way.free_at = at = at + len(packet) * way.seconds_per_byte
        if way.delay and not (way.reorder and chance(0, 1) < way.reorder):
            at = way.arrival(at)
        if at > now:
            way.under_way.append((at, packet))
        else:
            self.deliver(way.target, packet)

    def release(self) -> float:
        """Send what is due; seconds until the next is, or -1."""
        wait = -1.0
        for way in self.ways.values():
            under_way, now = way.under_way, time.monotonic()
            while under_way and under_way[0][0] <= now:
                self.deliver(way.target, under_way.popleft()[1])
            if under_way:
                due = under_way[0][0] - now
                wait = due if wait < 0 else min(wait, due)
        return wait

    def deliver(self, target: int, packet: bytes) -> None:
        try:
            os.write(target, packet)
        except OSError:
            # The other kernel has no room for it, or calls the packet broken: a network loses such packets.
            self.tally.dropped += 1
            return
        self.tally.passed += 1
        self.tally.octets += len(packet)

    # --- firewall and NAT ---------------------------------------------------------------------------

    def allows(self, packet: bytes, *, outward: bool) -> bool:
        """By protocol and the port of the far side; an empty set of ports means any."""
        ports = self.rules.get(packet[9])
        if ports is None:
            return False
        return not ports or int.from_bytes(_port(packet, destination=outward), "big") in ports

    def translate(self, packet: bytes, *, outward: bool) -> bytes | None:
        """Exchange the port of the near side, keep the checksum right (RFC 1624); None for a forgotten flow."""
        head = (packet[0] & 15) * 4
        where = head if outward else head + 2
        old = int.from_bytes(packet[where : where + 2], "big")
        new = old ^ self.mask
        if outward:
            self.flows.add(new)
        elif old not in self.flows:
            return None
        checksum = int.from_bytes(packet[head + 6 : head + 8], "big")
        if checksum:
            total = (checksum ^ 0xFFFF) + (old ^ 0xFFFF) + new
            total = (total & 0xFFFF) + (total >> 16)
            checksum = ((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF or 0xFFFF
        return b"".join(
            (
                packet[:where],
                new.to_bytes(2, "big"),
                packet[where + 2 : head + 6],
                checksum.to_bytes(2, "big"),
                packet[head + 8 :],
            )
        )

    # --- orders -------------------------------------------------------------------------------------

    def order(self, line: bytes) -> bool:
        """Do one order and answer it; False at the end of orders."""
        if not line:
            return False
        given = json.loads(line)
        answer = {
            "set": self._set,
            "restrict": self._restrict,
            "rebind": self._rebind,
            "counts": self._counts,
        }
        _say(answer[given["order"]](given))
        return True

    def _set(self, given: dict[str, Any]) -> dict[str, Any]:
        for way in self.ways.values():
            if way.name == given["direction"]:
                way.obey(given["conditions"])
        return {}

    def _restrict(self, given: dict[str, Any]) -> dict[str, Any]:
        self.restricted = given["allowed"] is not None
        found: dict[int, set[int]] = {}
        for rule in given["allowed"] or []:
            protocol, _, port = rule.partition(":")
            found.setdefault(NUMBERS[protocol], set()).update([int(port)] if port else [])
        self.rules = {protocol: frozenset(ports) for protocol, ports in found.items()}
        return {}

    def _rebind(self, given: dict[str, Any]) -> dict[str, Any]:
        """Another mask of low bits; the highest stay, so that no flow gets a port below 1024."""
        self.mask = random.choice([mask for mask in range(1, 256) if mask != self.mask])
        self.flows.clear()
        return {}

    def _counts(self, given: dict[str, Any]) -> dict[str, Any]:
        tally, cpu = self.tally, time.process_time() - self.spent
        if given["reset"]:
            self.tally, self.spent = Tally(), time.process_time()
        names = ("passed", "octets", "lost", "dropped", "refused", "duplicated", "strangers")
        return {**{name: getattr(tally, name) for name in names}, "cpu": cpu}


def _port(packet: bytes, *, destination: bool) -> bytes:
    head = (packet[0] & 15) * 4 + (2 if destination else 0)
    return packet[head : head + 2]


def _asked_name(packet: bytes) -> str:
    """The name in the first question of a DNS query (RFC 1035, 4.1)."""
    at, labels = (packet[0] & 15) * 4 + 8 + 12, []
    while at < len(packet) and 0 < packet[at] < 64:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("ascii", "replace"))
        at += 1 + packet[at]
    return ".".join(labels)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def make_side(address: str) -> tuple[int, int]:
    """A namespace with loopback and a TUN device named wan; (descriptor of the namespace, of the device)."""
    if libc.unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")
    if IPV6_SWITCH.exists():
        # The kernel's own chatter would be counted; this file is the new namespace's.
        IPV6_SWITCH.write_text("1", encoding="ascii")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"wan", IFF_TUN | IFF_NO_PI))
    for words in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{address}/24", "dev", "wan"),
        # A long queue: what a burst finds full here would be a loss that nobody asked for.
        ("link", "set", "wan", "up", "mtu", str(MTU), "txqueuelen", "10000"),
        ("route", "add", "default", "dev", "wan"),
    ):
        subprocess.run(["ip", *words], check=True)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY), device


def main(near: str, far: str) -> None:
    spaces, devices = zip(*(make_side(address) for address in (near, far)), strict=True)
    octets = tuple(bytes(map(int, address.split("."))) for address in (near, far))
    crossing = Crossing(devices[0], devices[1], (octets[0], octets[1]))
    _say({"near": spaces[0], "far": spaces[1]})
    crossing.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
