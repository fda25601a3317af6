"""The worker's half of the control channel (`control` has the wire): listens, greets, answers, tells events."""

import asyncio
import hmac
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from media.control import MAX_LINE, OUT_LIMIT, Message, dump, load, split_address
from media.errors import BadRequest, MediaError, Unauthorised
from media.pulse import Pulse

MAX_IN_FLIGHT = 64  # requests of one connection being worked on
HELLO_WITHIN = 5.0
LOOK_EVERY = 0.05  # seconds between two looks whether everybody has moved away

logger = logging.getLogger(__name__)


class Operations(Protocol):
    """What the server serves (`worker.Worker`)."""

    on_event: Callable[[Message], None]

    def introduction(self) -> Message: ...
    def vitals(self) -> Message: ...
    async def perform(self, operation: str, fields: Message) -> Message: ...


class _Caller:
    """One connection from signaling."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.greeted = False
        self.busy = asyncio.Semaphore(MAX_IN_FLIGHT)
        self.tasks: set[asyncio.Task[None]] = set()

    def send(self, message: Message) -> None:
        """Never waits: who does not read is cut off and reconnects."""
        if self.writer.is_closing():
            return
        self.writer.write(dump(message))
        if self.writer.transport.get_write_buffer_size() > OUT_LIMIT:
            logger.warning("control connection cut: reader too slow")
            self.writer.transport.abort()


class ControlServer:
    """Serves operations on a unix or TCP socket."""

    def __init__(self, operations: Operations, address: str, key: bytes | None) -> None:
        self._operations = operations
        self._kind, self._host, self._port = split_address(address)
        self._key = key
        self._callers: set[_Caller] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._closed = False
        if self._kind == "tcp" and not key:
            raise ValueError("a TCP control channel needs a key")
        operations.on_event = self._broadcast
        self._pulse = Pulse(operations.vitals)

    @property
    def address(self) -> str:
        """Where it listens, with the port the system chose if 0 was asked for."""
        if self._kind == "unix":
            return f"unix:{self._host}"
        assert self._server is not None
        return f"tcp:{self._host}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def connected(self) -> bool:
        return any(caller.greeted for caller in self._callers)

    async def start(self) -> None:
        """Listen; raises OSError when the address is taken by a living worker."""
        if self._kind == "tcp":
            self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=MAX_LINE)
        else:
            await _remove_stale_socket(self._host)
            self._server = await asyncio.start_unix_server(self._serve, self._host, limit=MAX_LINE)
            Path(self._host).chmod(0o600)
        self._pulse.start()

    async def drain(self, within: float, hurry: asyncio.Event) -> None:
        """Take no new rooms and let signaling move the rest.

        Returns when nobody is left in them, no signaling is there to move anybody, `hurry` is set, or `within`
        seconds have passed.
        """
        await self._operations.perform("drain", {})
        self._broadcast({"event": "worker.draining"})
        end = asyncio.get_running_loop().time() + within
        while self._operations.vitals()["people"] and self.connected and not hurry.is_set():
            if asyncio.get_running_loop().time() >= end:
                logger.warning(
                    "drained no further: %s people lose their media", self._operations.vitals()["people"]
                )
                return
            await asyncio.sleep(LOOK_EVERY)

    async def close(self, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._pulse.close()
        if self._server is not None:
            self._server.close()
        for caller in list(self._callers):
            caller.send({"event": "worker.closing", "reason": reason})
            for task in caller.tasks:
                task.cancel()
            caller.writer.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=1)
        if self._kind == "unix":
            Path(self._host).unlink(missing_ok=True)

    def _broadcast(self, event: Message) -> None:
        for caller in self._callers:
            if caller.greeted:
                caller.send(event)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = _Caller(reader, writer)
        self._callers.add(caller)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                beats = await self._greet(caller)
            if beats:
                await self._hand_over(caller)
                return
            while caller.greeted and (line := await reader.readline()):
                await caller.busy.acquire()
                answer = asyncio.create_task(self._answer(caller, line))
                caller.tasks.add(answer)
                answer.add_done_callback(caller.tasks.discard)
        except (ConnectionError, TimeoutError) as error:
            logger.info("control connection lost: %s", type(error).__name__)
        except ValueError:  # StreamReader's word for a line beyond the limit
            logger.warning("control connection cut: line longer than %d bytes", MAX_LINE)
            caller.send(_refusal(None, BadRequest(f"line longer than {MAX_LINE} bytes")))
        finally:
            self._callers.discard(caller)
            writer.close()

    async def _greet(self, caller: _Caller) -> bool:
        """Whether the connection is for heartbeats alone."""
        number: object = None
        try:
            message = load(await caller.reader.readline())
            number = message.get("id")
            if message.get("op") != "hello":
                raise Unauthorised("hello first")
            if self._key and not hmac.compare_digest(str(message.get("key", "")).encode(), self._key):
                raise Unauthorised("wrong key")
        except MediaError as error:
            caller.send(_refusal(number, error))
            return False
        caller.greeted = message.get("beat") is not True
        caller.send({"id": number, "ok": True, **self._operations.introduction()})
        return not caller.greeted

    async def _hand_over(self, caller: _Caller) -> None:
        """The thread gets a descriptor of its own; ours is closed with the transport, the connection goes on."""
        await caller.writer.drain()
        self._pulse.adopt(caller.writer.get_extra_info("socket").dup())

    async def _answer(self, caller: _Caller, line: bytes) -> None:
        number: object = None
        try:
            message = load(line)
            number, operation = message.get("id"), message.get("op")
            if not isinstance(operation, str):
                raise BadRequest("op must be a string")
            result = await self._perform(operation, message)
            caller.send({"id": number, "ok": True, **result})
        except MediaError as error:
            caller.send(_refusal(number, error))
        except Exception:
            logger.exception("operation failed")
            caller.send(_refusal(number, MediaError("the worker failed; its log says why")))
        finally:
            caller.busy.release()

    async def _perform(self, operation: str, message: Message) -> Message:
        if operation == "ping":
            return {}
        if operation == "hello":
            return self._operations.introduction()
        return await self._operations.perform(operation, message)


def _refusal(number: object, error: MediaError) -> Message:
    return {"id": number, "ok": False, "error": {"code": error.code, "message": str(error)}}


async def _remove_stale_socket(path: str) -> None:
    if not Path(path).is_socket():
        return
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        Path(path).unlink(missing_ok=True)
        return
    writer.close()
    raise OSError(f"another worker serves {path}")
