"""The Socket.IO server with five of its edges closed (python-socketio 5.18, python-engineio 4.15).

1. A client may send an event named `connect` or `disconnect`, or one whose name is no string, and the
   library would call our own handlers with it. Every client event goes to one function instead.
2. A handler that raises sends no acknowledgement; ours cannot raise (`dispatch.py`).
3. The queue of a client that does not read grows without limit (engineio#133). Before each emit its length
   is looked at, and the client is cut, TCP connection and all.
4. A packet that promises binary attachments swallows what follows it, and answers nothing. Our wire has no
   binary packets: their sender is cut.
5. The library leaves its Redis connections and its reader behind; `end` closes them.

Private names used: `AsyncServer._handle_event_internal`, `_handle_eio_message`, `_send_packet`, `environ`,
`eio.sockets[...].queue`, `manager.thread`, `.redis`, `.pubsub`; a test fails loudly when an upgrade moves them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import socketio
from socketio import packet

from consilium.settings import Settings
from signaling import wire

log = logging.getLogger(__name__)

OnEvent = Callable[..., Awaitable[dict[str, Any]]]

QUEUE_LIMIT = 256
"""Messages a client may be behind before it is cut (F08)."""
BINARY = ("5", "6")
"""First characters of Socket.IO packets with attachments."""
PING_EVERY = 10
PING_TIMEOUT = 10


class Server(socketio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """`on_event(name, sid, *arguments)` answers every client event; nothing else is registered for them."""

    on_event: OnEvent

    async def _handle_event_internal(
        self, server: Any, sid: str, eio_sid: str, data: list[Any], namespace: str, id: int | None
    ) -> None:
        name = data[0] if data and isinstance(data[0], str) else ""
        answer = await self.on_event(name, sid, *data[1:])
        if id is not None:
            ack = self.packet_class(packet.ACK, namespace=namespace, id=id, data=[answer])
            await self._send_packet(eio_sid, ack)

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        if not isinstance(data, str) or data[:1] in BINARY:
            self._abort(eio_sid, "binary")
            return
        await super()._handle_eio_message(eio_sid, data)

    async def send(self, name: str, data: dict[str, Any], sid: str) -> None:
        """To one socket of this process; a socket too far behind is cut."""
        if self._behind(sid):
            self.cut(sid, "slow")
            return
        await self.emit(name, data, to=sid, ignore_queue=True)

    def cut(self, sid: str, reason: str) -> None:
        """Close the TCP connection under a socket; the disconnect handler runs as for any lost client."""
        self._abort(self.manager.eio_sid_from_sid(sid, "/"), reason)

    def cut_all(self, reason: str) -> None:
        """Everybody, at once: an aiohttp that ends would wait for open sockets, and they for it."""
        for eio_sid in list(self.environ):
            self._abort(eio_sid, reason)

    async def end(self) -> None:
        """Close what the library leaves open between servers; idempotent."""
        listener = getattr(self.manager, "thread", None)
        if listener is not None:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
        for line in (getattr(self.manager, "pubsub", None), getattr(self.manager, "redis", None)):
            if line is not None:
                await line.aclose()

    def _abort(self, eio_sid: str | None, reason: str) -> None:
        request = self.environ.get(eio_sid, {}).get("aiohttp.request")
        if request is not None and request.transport is not None:
            log.warning("client cut", extra={"sid": eio_sid, "reason": reason})
            request.transport.abort()

    def _behind(self, sid: str) -> bool:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        socket = self.eio.sockets.get(eio_sid) if eio_sid else None
        return socket is not None and socket.queue.qsize() > QUEUE_LIMIT


def make(settings: Settings) -> Server:
    """Websocket only, one exact origin, small messages, one client's messages in their order."""
    manager = socketio.AsyncRedisManager(settings.redis_url) if settings.redis_url else None
    return Server(
        async_mode="aiohttp",
        client_manager=manager,
        async_handlers=False,
        cors_allowed_origins=[settings.public_origin],
        transports=["websocket"],
        max_http_buffer_size=wire.MAX_MESSAGE,
        ping_interval=PING_EVERY,
        ping_timeout=PING_TIMEOUT,
        http_compression=False,
        logger=False,
        engineio_logger=False,
    )
