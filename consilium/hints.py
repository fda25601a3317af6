"""Wake those who tail the journal a little earlier. A hint carries nothing and may get lost.

In one process a hint is a function call. Between processes it goes through Redis (when set) or PostgreSQL's
NOTIFY; on SQLite alone the readers' own 250 ms look at the journal is all there is, and it is enough.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol
from uuid import uuid4

import psycopg
import redis

from consilium.settings import Settings

log = logging.getLogger(__name__)

CHANNEL = "consilium_journal"
_RETRY = 2.0
_POLL = 0.5


class _Line(Protocol):
    """A connection to the other processes."""

    def tell(self, origin: str) -> None: ...

    def hear(self, seconds: float) -> list[str]: ...


class Hints:
    """`wake()` after a commit; `subscribe(callback)` to be woken. Callbacks must be quick and may come late.

    They run in the waking thread or in this object's own: an async edge passes
    `lambda: loop.call_soon_threadsafe(event.set)`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._origin = uuid4().hex
        self._open: Callable[[], AbstractContextManager[_Line]] | None = _opener(settings)
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._told = threading.Event()
        self._closed = threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    def wake(self) -> None:
        """Something was committed. Never blocks and never fails; many hints at once may become one."""
        self._call()
        if self._open is not None and not self._closed.is_set():
            self._told.set()
            self._start("hints-tell", self._tell)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Be called after each hint, of this process and of others; answers what ends it."""
        with self._lock:
            self._callbacks.append(callback)
        if self._open is not None:
            self._start("hints-hear", self._hear)

        def cancel() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return cancel

    def close(self) -> None:
        """End the threads; idempotent."""
        self._closed.set()
        self._told.set()
        for thread in list(self._threads.values()):
            if thread is not threading.current_thread():
                thread.join(_RETRY + _POLL)

    def _call(self) -> None:
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            try:
                callback()
            except RuntimeError:  # the subscriber's event loop has closed
                log.info("hints.subscriber_gone")

    def _start(self, name: str, work: Callable[[_Line], None]) -> None:
        with self._lock:
            if name not in self._threads:
                thread = threading.Thread(target=self._keep, args=(work,), name=name, daemon=True)
                self._threads[name] = thread
                thread.start()

    def _keep(self, work: Callable[[_Line], None]) -> None:
        assert self._open is not None
        while not self._closed.is_set():
            try:
                with self._open() as line:
                    work(line)
            except (redis.RedisError, psycopg.Error, OSError) as error:
                log.warning("hints.line_lost", extra={"cause": type(error).__name__})
                self._closed.wait(_RETRY)

    def _tell(self, line: _Line) -> None:
        while not self._closed.is_set():
            self._told.wait()
            self._told.clear()
            if not self._closed.is_set():
                line.tell(self._origin)

    def _hear(self, line: _Line) -> None:
        self._call()  # what came while the line was down
        while not self._closed.is_set():
            if any(origin != self._origin for origin in line.hear(_POLL)):
                self._call()


def _opener(settings: Settings | None) -> Callable[[], AbstractContextManager[_Line]] | None:
    if settings is None:
        return None
    if settings.redis_url:
        address = settings.redis_url
        return lambda: _redis(address)
    if not settings.sqlite:
        libpq = settings.database_url.replace("postgresql+psycopg://", "postgresql://")
        return lambda: _postgres(libpq)
    return None


class _RedisLine:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.heard = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis leaves it untyped
        self.heard.subscribe(CHANNEL)

    def tell(self, origin: str) -> None:
        self.client.publish(CHANNEL, origin)

    def hear(self, seconds: float) -> list[str]:
        message = self.heard.get_message(timeout=seconds)
        return [message["data"]] if message else []


class _PostgresLine:
    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        connection.execute(f"LISTEN {CHANNEL}")

    def tell(self, origin: str) -> None:
        self.connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, origin))

    def hear(self, seconds: float) -> list[str]:
        return [one.payload for one in self.connection.notifies(timeout=seconds, stop_after=1)]


@contextmanager
def _redis(address: str) -> Iterator[_Line]:
    client = redis.Redis.from_url(address, decode_responses=True, socket_connect_timeout=_RETRY)
    try:
        yield _RedisLine(client)
    finally:
        client.close()


@contextmanager
def _postgres(address: str) -> Iterator[_Line]:
    with psycopg.connect(address, autocommit=True, connect_timeout=int(_RETRY)) as connection:
        yield _PostgresLine(connection)
