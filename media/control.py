"""The control channel between signaling and a media worker: one JSON message per line.

Request  {"id": n, "op": "publish.offer", ...}
Answer   {"id": n, "ok": true, ...} or {"id": n, "ok": false, "error": {"code", "message"}}
Event    {"event": "slots", "room", "epoch", ...}, whenever it happens, to every connection

The first request is `hello {key?, beat?}`; over TCP the key is obligatory. With `beat` the connection is for
heartbeats alone, `ping` after `ping`, answered by a thread of the worker's (`pulse`). Here are the wire and signaling's
half, which imports neither aiortc nor anything else of the relay; the worker's half is `control_server`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any

from media.errors import BadRequest, MediaError, TimedOut, Unauthorised, Unreachable

MAX_LINE = 256 * 1024
OUT_LIMIT = 1 << 20  # bytes a slow reader may leave unread before he is cut off
MAX_PENDING = 256  # requests of one client waiting for their answer
BEAT_EVERY = 0.3  # seconds between two heartbeats
SILENT_AFTER = 0.9  # seconds without an answer after which the worker stands still: three heartbeats
OVERSLEPT = 0.2  # seconds this process may be late itself before silence is no evidence
HELLO_WITHIN = 3.0  # a worker that is busy answers late; one that stands still is known by its heartbeat
AGAIN_WITHIN = 0.6  # the same when the connection was lost a moment ago
AGAIN_TIMES = 3  # a process that ends may still take a connection, and drop it
BEFORE_AGAIN = 0.02  # seconds
CERTAIN = frozenset({"refused", "silent", "timeout"})
GIVE_UP_AFTER = {
    "compiled": 8.0,
    "python": 3.0,
}  # seconds its loop may hang; the compiled forwarder goes on meanwhile
BACKOFF = (0.1, 0.2, 0.5, 1.0)  # seconds between attempts to reconnect

Message = dict[str, object]

logger = logging.getLogger(__name__)


def dump(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def load(line: bytes) -> Message:
    """One line; raises BadRequest."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("not JSON") from error
    if not isinstance(message, dict):
        raise BadRequest("not a JSON object")
    return message


def split_address(address: str) -> tuple[str, str, int]:
    """`unix:/run/m.sock` or `tcp:host:port` as (kind, path or host, port); raises ValueError."""
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest:
        return kind, rest, 0
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdigit():
        return kind, host.strip("[]"), int(port)
    raise ValueError(f"control address must be unix:PATH or tcp:HOST:PORT, not {address!r}")


# --- signaling's half ---------------------------------------------------------------------------


class MediaClient:
    """A worker as signaling sees it: requests, events, and a connection that comes back by itself.

    on_event is called in the order of arrival with every event of the worker, and with two of the client:
      {"event": "worker.up", "worker", "boot", "rooms", ...}  connected; the fields of `hello`. Another `boot`
          than before, or a room missing in `rooms`, means that media is gone: raise the epoch and rebuild.
      {"event": "worker.down", "reason"}                      connection lost; it is being tried again. The reason
          is `refused` when nobody listens there any more: the process is gone. Anything else is silence.
    It must not block and must not raise; what it needs to await it hands to a task of its own.
    """

    def __init__(self, address: str, on_event: Callable[[Message], None], *, key: str = "") -> None:
        self.address = address
        self.info: Message = {}
        self.pulse: Message = {}
        self._on_event = on_event
        self._hello = {"key": key} if key else {}
        self._where = split_address(address)
        self._writer: asyncio.StreamWriter | None = None
        self._pending: dict[int, asyncio.Future[Message]] = {}
        self._next_id = 0
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._told_up = False
        self._refused: MediaError | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    @property
    def boot(self) -> str:
        """The process that answered last; another one has none of its rooms."""
        return str(self.info.get("boot", ""))

    @property
    def stalled(self) -> float:
        """Seconds for which the worker's loop has not run; its media may flow all the same."""
        return _figure(self.pulse, "stalled")

    @property
    def load(self) -> float:
        """0 for idle, 1 for a worker at its measure; see `full`."""
        return _figure(self.pulse, "load")

    @property
    def full(self) -> bool:
        """It refuses new rooms, but those that are moved to it only when it has too many people."""
        return self.pulse.get("full") is True

    @property
    def capacity(self) -> int:
        """People it takes in all."""
        return max(1, int(_figure(self.info, "capacity")))

    @property
    def draining(self) -> bool:
        return self.pulse.get("draining") is True or self.info.get("draining") is True

    async def connect(self, timeout: float = 5.0) -> Message:
        """Start and wait until the worker has answered `hello`; returns its fields.

        Raises Unauthorised at once, Unreachable after `timeout` (the client goes on trying until `close`).
        """
        if self._task is None:
            self._task = asyncio.create_task(self._keep_connected())
        try:
            async with asyncio.timeout(timeout):
                await self._up.wait()
        except TimeoutError:
            raise self._refused or Unreachable(f"no media worker at {self.address}") from None
        if self._refused is not None:
            raise self._refused
        return self.info

    async def request(self, op: str, *, timeout: float = 5.0, **fields: Any) -> Message:
        """Ask the worker; returns the fields of its answer.

        Raises MediaError with the worker's code, or Unreachable (connection lost: it may have been done),
        or TimedOut.
        """
        if self._writer is None or not self._up.is_set():
            raise Unreachable(f"no media worker at {self.address}")
        return await self._ask(self._writer, op, timeout, fields)

    async def close(self, reason: str = "") -> None:
        """Idempotent; pending requests fail with Unreachable."""
        if self._closed:
            return
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._drop(reason or "closed")

    async def _ask(
        self, writer: asyncio.StreamWriter, op: str, timeout: float, fields: dict[str, object]
    ) -> Message:
        if len(self._pending) >= MAX_PENDING:
            raise Unreachable("too many requests are waiting for the media worker")
        self._next_id += 1
        number = self._next_id
        line = dump({"id": number, "op": op, **fields})
        if len(line) > MAX_LINE:
            raise BadRequest("request is too long")
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            writer.write(line)
            if writer.transport.get_write_buffer_size() > OUT_LIMIT:
                writer.transport.abort()
            async with asyncio.timeout(timeout):
                return _unwrap(await future)
        except TimeoutError:
            raise TimedOut(f"{op} was not answered within {timeout} s") from None
        finally:
            self._pending.pop(number, None)

    # --- the connection -------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        """A connection that was lost is tried again at once: only that tells a cut cable from a death."""
        attempt, again, loop = 0, 0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            reason = await self._once(HELLO_WITHIN if attempt else AGAIN_WITHIN)
            was_up = self._up.is_set()
            self._drop(reason)
            again = 0 if was_up and loop.time() - began > AGAIN_WITHIN else again
            if self._told_up and reason not in CERTAIN and again < AGAIN_TIMES:
                attempt, again = 0, again + 1
                await asyncio.sleep(BEFORE_AGAIN)
                continue
            self._tell_down(reason)
            await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
            attempt = 1 if was_up else attempt + 1

    async def _once(self, hello_within: float) -> str:
        """One connection from its beginning to its end; says why it ended."""
        try:
            reader, writer = await self._open()
        except OSError as error:
            logger.debug("media worker %s: %s", self.address, error)
            return "refused"
        self._writer = writer
        tasks = [
            asyncio.create_task(self._read(reader)),
            asyncio.create_task(self._live(writer, hello_within)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            await _end(tasks)
            writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        kind, host, port = self._where
        if kind == "unix":
            return await asyncio.open_unix_connection(host, limit=MAX_LINE)
        return await asyncio.open_connection(host, port, limit=MAX_LINE)

    async def _read(self, reader: asyncio.StreamReader) -> str:
        try:
            while line := await reader.readline():
                self._take(load(line))
        except (OSError, ValueError, MediaError) as error:
            return f"broken ({type(error).__name__})"
        return "closed by the worker"

    async def _live(self, writer: asyncio.StreamWriter, hello_within: float) -> str:
        """Say hello, then listen to the heart until it stops."""
        try:
            self.info, self._refused = await self._ask(writer, "hello", hello_within, {**self._hello}), None
        except MediaError as error:
            if error.code == "unauthorised":
                self._refused = Unauthorised(str(error))
            return error.code
        self.pulse = {}
        self._up.set()
        self._told_up = True
        self._tell({**self.info, "event": "worker.up"})
        try:
            return await self._listen(*await self._open())
        except OSError:
            return "closed by the worker"

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Heartbeats on a connection of their own; a process that oversleeps itself takes silence for nothing."""
        loop = asyncio.get_running_loop()
        heard = asked = loop.time()

        async def answers() -> None:
            nonlocal heard
            while line := await reader.readline():
                heard, answer = loop.time(), load(line)
                if "stalled" in answer:
                    self.pulse = answer

        answering = asyncio.create_task(answers())
        try:
            writer.write(dump({"id": 0, "op": "hello", "beat": True, **self._hello}))
            while not answering.done():
                await asyncio.wait([answering], timeout=BEAT_EVERY)
                now = loop.time()
                if now - asked > BEAT_EVERY + OVERSLEPT:
                    heard = now
                if now - heard > SILENT_AFTER or self.stalled > self._patience():
                    return "silent"
                asked = now
                writer.write(dump({"id": 1, "op": "ping"}))
            return "closed by the worker"
        finally:
            await _end([answering])
            writer.close()

    def _patience(self) -> float:
        return GIVE_UP_AFTER.get(str(self.info.get("forwarder")), min(GIVE_UP_AFTER.values()))

    def _take(self, message: Message) -> None:
        if "event" in message:
            self._tell(message)
            return
        number = message.get("id")
        future = self._pending.get(number) if isinstance(number, int) else None
        if future is not None and not future.done():
            future.set_result(message)

    def _tell(self, event: Message) -> None:
        try:
            self._on_event(event)
        except Exception:
            logger.exception("an event of the media worker was not handled")

    def _tell_down(self, reason: str) -> None:
        if self._told_up and not self._closed:
            self._told_up = False
            self._tell({"event": "worker.down", "reason": reason})

    def _drop(self, reason: str) -> None:
        self._up.clear()
        self._writer = None
        for future in self._pending.values():
            if not future.done():
                future.set_exception(Unreachable(f"media worker lost: {reason}"))


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _figure(message: Message, name: str) -> float:
    value = message.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _unwrap(answer: Message) -> Message:
    """The fields of a good answer; raises what a bad one says."""
    if answer.get("ok") is True:
        return {name: value for name, value in answer.items() if name not in {"id", "ok"}}
    error = answer.get("error")
    code, message = (
        ("internal", "") if not isinstance(error, dict) else (error.get("code"), error.get("message"))
    )
    raise MediaError(str(message), str(code))
