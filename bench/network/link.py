"""A link between two network namespaces of its own, made bad on purpose.

    with Link(Conditions(loss=0.05, delay_ms=25, jitter_ms=5)) as link:
        subprocess.Popen(link.command("far", ["python", "-m", "media", "--address", link.far_address, ...]))
        with link.inside("far"):           # sockets made here, and processes started here, live there
            ...
        link.set(Conditions(loss=0.2))     # both ways at once; to_near= and to_far= for one
        link.restrict(NO_UDP)              # a firewall; None opens it again
        link.rebind()                      # a NAT forgets: every UDP flow from near gets another source port
        link.counts()

`near` is the person's side, `far` the server's. Each has loopback, one interface, and a default route into the
link, so a packet to anybody but the other side shows up in `counts().strangers` and goes nowhere. The kernel here
and in most containers has no netem; this needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and /dev/net/tun. The namespaces
have no name: they live as long as a process in them, so nothing is left behind however this process ends.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from consilium.supervise import die_with_parent

Side = Literal["near", "far"]

NETWORK: Final = "198.18.0.0/15"
"""RFC 2544: the range for tests of networks; no route leads there from anywhere."""
NEAR, FAR = "198.18.0.1", "198.18.0.2"
NO_UDP: Final = ("tcp",)
"""What a firewall lets through that blocks UDP."""
ONLY_TLS: Final = ("tcp:443",)
"""What a hospital's firewall may let through: TCP to port 443 of the far side."""

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What happens to packets of one direction; shares are 0 to 1."""

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Uniform, to both sides of the delay, another every 20 ms; the order of packets is kept."""
    duplicate: float = 0.0
    reorder: float = 0.0
    """Share of packets that overtake: they are not delayed."""
    rate_kbps: float = 0.0
    """0: as fast as it goes."""
    queue_ms: float = 200.0
    """How much the queue in front of a limited rate holds before it drops."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the link was made, or since the last `counts(reset=True)`; both directions together."""

    passed: int
    octets: int
    lost: int
    """By chance."""
    dropped: int
    """By a full queue."""
    refused: int
    """By the firewall, or addressed to a flow the NAT has forgotten."""
    duplicated: int
    strangers: dict[str, int]
    """Destination -> packets to somebody who is not the other side; a name server with the name it was asked for."""
    cpu: float
    """Seconds of CPU the crossing used."""


class Link:
    """Two namespaces and the process between them. A context manager; `close` is idempotent."""

    near_address: Final = NEAR
    far_address: Final = FAR

    def __init__(self, conditions: Conditions | None = None, *, core: int | None = None) -> None:
        """`core` pins the crossing; raises OSError where the machine does not allow namespaces or TUN."""
        self._process = _start(core)
        self._closed = False
        self._spaces: dict[Side, int] = {}
        try:
            ready = self._answer()
            for side in ("near", "far"):
                path = f"/proc/{self._process.pid}/fd/{ready[side]}"
                self._spaces[side] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.set(conditions or Conditions())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(self, side: Side, words: Sequence[str]) -> list[str]:
        """A command line that runs `words` on this side, from any process of the same user."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self._spaces[side]}", "--", *words]

    @contextmanager
    def inside(self, side: Side) -> Iterator[None]:
        """This thread, and every thread and process it starts meanwhile, has the network of this side.

        Sockets stay where they were made. Not for use by two tasks of one event loop at once.
        """
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._spaces[side])
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(before)

    def set(
        self,
        both: Conditions | None = None,
        *,
        to_far: Conditions | None = None,
        to_near: Conditions | None = None,
    ) -> None:
        """New conditions for the directions named; what is already under way arrives as it was planned."""
        for name, one in (("to_far", to_far or both), ("to_near", to_near or both)):
            if one is not None:
                self._tell("set", direction=name, conditions=asdict(one))

    def restrict(self, allowed: Sequence[str] | None) -> None:
        """Silently refuse all but these: `udp`, `tcp`, `icmp`, each with an optional port of the far side."""
        self._tell("restrict", allowed=None if allowed is None else list(allowed))

    def rebind(self) -> None:
        """Every UDP flow from near gets another source port, and answers to the former ones are refused."""
        self._tell("rebind")

    def counts(self, *, reset: bool = False) -> Counts:
        return Counts(**self._tell("counts", reset=reset))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for space in self._spaces.values():
            os.close(space)
        self._process.kill()
        self._process.communicate()

    def _tell(self, order: str, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **fields}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise OSError(
                self._process.stderr.read().decode(errors="replace").strip() or "the crossing ended"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


def _start(core: int | None) -> subprocess.Popen[bytes]:
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(_ROOT)}
    words = [sys.executable, "-m", "bench.network.crossing", NEAR, FAR]
    pinned = ["taskset", "-c", str(core), *words] if core is not None else words
    return subprocess.Popen(
        pinned,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent,  # noqa: PLW1509  # figures and tests start it from their one thread
    )


def _enter(space: int) -> None:
    if _libc.setns(space, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
