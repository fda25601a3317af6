"""Run a media worker: `python -m media --name media-1 --control unix:/run/consilium/media-1.sock`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import ifaddr

from media.control_server import ControlServer
from media.engine import SocketPlan
from media.plane.choose import PREFERENCES, ForwarderMissing, forwarder
from media.worker import Worker

CLOSE_WITHIN = 1.5  # seconds from SIGTERM; sockets die with the process anyway
ORPHAN_AFTER = 60.0  # seconds without any signaling after which rooms are closed

logger = logging.getLogger("media")


@dataclass(frozen=True, slots=True)
class Settings:
    """From the command line, else from CONSILIUM_MEDIA_* (in capitals, - becomes _).

    One .env may serve signaling too: where CONSILIUM_MEDIA_CONTROLS, the list that signaling dials, has a
    single entry, it is this worker's; CONSILIUM_MEDIA_ADDRESSES is taken when CONSILIUM_MEDIA_ADDRESS is not set.
    """

    name: str  # unique among the workers of an installation
    control: str  # unix:PATH or tcp:HOST:PORT
    key: bytes | None  # content of --key-file; obligatory for tcp
    addresses: tuple[str, ...]  # bound and advertised, exactly these
    udp_port: int  # of all media, on every address; 0: any
    capacity: int  # people in all rooms together
    max_bitrate: int  # bit/s a camera may send
    forwarder: str  # auto: the compiled one where it was built
    realtime: bool  # its thread may ask for realtime priority
    rate_feedback: str  # transport-cc or remb: how publishers are told what arrives
    recordings: Path | None  # folder; without it nothing is recorded
    drain_seconds: int  # from SIGTERM until rooms that nobody moved away are ended


def own_addresses() -> tuple[str, ...]:
    """The machine's own addresses that a browser can be told; 127.0.0.1 where there is nothing else."""
    found = [
        str(ip.ip if ip.is_IPv4 else ip.ip[0]) for adapter in ifaddr.get_adapters() for ip in adapter.ips
    ]
    usable = [ip for ip in found if not ip_address(ip).is_loopback and not ip_address(ip).is_link_local]
    return tuple(dict.fromkeys(usable)) or ("127.0.0.1",)


def read_settings(arguments: list[str], environment: Mapping[str, str]) -> Settings:
    def default(option: str, value: str = "") -> str:
        return environment.get("CONSILIUM_MEDIA_" + option.upper().replace("-", "_"), value)

    parser = argparse.ArgumentParser(prog="python -m media", description=__doc__)
    parser.add_argument("--name", default=default("name", "media-1"))
    dialled = default("controls").replace(",", " ").split()
    only = dialled[0] if len(dialled) == 1 else ""
    parser.add_argument("--control", default=default("control", only), help="unix:PATH or tcp:HOST:PORT")
    parser.add_argument("--key-file", default=default("key-file"))
    parser.add_argument("--address", nargs="+", action="extend", default=None)
    parser.add_argument("--udp-port", type=int, default=default("udp-port", "0"))
    parser.add_argument("--capacity", type=int, default=default("capacity", "200"))
    parser.add_argument("--max-bitrate", type=int, default=default("max-bitrate", "1500000"))
    parser.add_argument("--recordings", type=Path, default=default("recordings") or None)
    parser.add_argument("--drain-seconds", type=int, default=default("drain-seconds", "30"))
    parser.add_argument("--forwarder", choices=PREFERENCES, default=default("forwarder", "auto"))
    parser.add_argument("--realtime", choices=("0", "1"), default=default("realtime", "1"))
    rate_feedback = default("rate-feedback", "transport-cc")
    parser.add_argument("--rate-feedback", choices=("transport-cc", "remb"), default=rate_feedback)
    given = parser.parse_args(arguments)
    if not given.control:
        parser.error("--control is required")
    if not 0 <= given.udp_port <= 65535:
        parser.error("--udp-port must be between 0 and 65535")
    addresses = given.address or default("address", default("addresses")).replace(",", " ").split()
    try:
        for address in addresses:
            ip_address(address)
        key = Path(given.key_file).read_bytes().strip() if given.key_file else None
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return Settings(
        name=given.name,
        control=given.control,
        key=key,
        addresses=tuple(addresses) or own_addresses(),
        udp_port=given.udp_port,
        capacity=given.capacity,
        max_bitrate=given.max_bitrate,
        forwarder=given.forwarder,
        realtime=given.realtime == "1",
        rate_feedback=given.rate_feedback,
        recordings=given.recordings,
        drain_seconds=given.drain_seconds,
    )


async def serve(settings: Settings) -> None:
    """Run until SIGTERM, which lets people move away first, or SIGINT; raises OSError or ValueError at the start."""
    plan = SocketPlan(settings.addresses, settings.udp_port)
    path = forwarder(settings.forwarder, realtime=settings.realtime)
    worker = Worker(
        settings.name,
        plan,
        settings.capacity,
        settings.max_bitrate,
        path,
        settings.recordings,
        transport_cc=settings.rate_feedback == "transport-cc",
    )
    server = ControlServer(worker, settings.control, settings.key)
    await server.start()
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(*, kindly: bool) -> None:
        if stop.is_set() or not kindly:
            hurry.set()
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, lambda: told(kindly=True))
    loop.add_signal_handler(signal.SIGINT, lambda: told(kindly=False))
    orphans = asyncio.create_task(_close_orphans(worker, server))
    logger.info("media worker %s on %s: %s", settings.name, server.address, worker.media)
    await stop.wait()
    orphans.cancel()
    await server.drain(settings.drain_seconds, hurry)
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await worker.close("shutdown")
            await server.close("shutdown")
    except TimeoutError:
        logger.warning("not everything closed within %.1f s", CLOSE_WITHIN)


async def _close_orphans(worker: Worker, server: ControlServer) -> None:
    """Media outlives a restart of signaling, but not its disappearance."""
    alone = 0.0
    while True:
        await asyncio.sleep(1.0)
        alone = 0.0 if server.connected else alone + 1.0
        if alone >= ORPHAN_AFTER:
            await worker.close_rooms("no signaling")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("aioice", "aiortc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings = read_settings(sys.argv[1:], os.environ)
    try:
        asyncio.run(serve(settings))
    except (OSError, ValueError, ForwarderMissing) as error:
        logger.error("media worker cannot start: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
