"""Where the figures are taken: a network and process namespace of its own, that ends with the run.

Both ends of a veth pair are in it. Relay and generator have one address each on the same end, so that packets are
delivered locally, as over loopback; Janus would not offer 127.0.0.1, and its sockets are tied to their interface
(IP_UNICAST_IF), which across the pair would send its packets, and only its, through the device.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

RELAY, GENERATOR = "10.77.0.1", "10.77.0.2"
INSIDE = "CONSILIUM_BENCH_INSIDE"
# The kernel ends everything in the process namespace with its first process, however that ends.
UNSHARE = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
COMMANDS = (
    "ip link set lo up",
    "ip link add consilium0 type veth peer name consilium1",
    f"ip addr add {RELAY}/24 dev consilium0",
    f"ip addr add {GENERATOR}/24 dev consilium0",
    "ip link set consilium0 up",
    "ip link set consilium1 up",
)


def go_inside(module: str) -> str:
    """Run `module` again in the namespaces and end with its result; returns what prevents it, or nothing inside."""
    if os.environ.get(INSIDE):
        for words in COMMANDS:
            subprocess.run(words.split(), check=True)
        return ""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "no unshare or no ip (util-linux, iproute2)"
    prefix = UNSHARE if os.geteuid() == 0 else [*UNSHARE[:1], "--user", "--map-root-user", *UNSHARE[1:]]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        return "no namespace of its own: needs root or user namespaces"
    command = [*prefix, sys.executable, "-m", module, *sys.argv[1:]]
    process = subprocess.Popen(command, env={**os.environ, INSIDE: "1"})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it goes to the whole group; the child cleans up
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    sys.exit(process.wait())


def before_other_work() -> None:
    """Everything in here, relays and generator alike: what else this machine does disturbs all of it less.

    Not everybody may ask for it.
    """
    if os.getpid() != 1:
        return  # not in a process namespace of its own: what /proc shows is not ours
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, int(process.name), -20)
            (process / "autogroup").write_text("-20")  # where sessions compete, not processes
