"""Connections: who is on the other end of each socket, and what a room holds in memory.

A connection is made from a single-use ticket; the person, his session and the consilium come from it
and from nowhere else. Presence in the database outlives a connection by `GRACE`: F5, a change of
network or a restart of this process bring the same person back to the same seat (RM-11).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from consilium.actor import Actor
from signaling.limits import Limits

GRACE = 20.0
"""Seconds without a connection after which somebody is lost (house convention: attendance)."""


@dataclass(slots=True, kw_only=True)
class Connection:
    """One socket. `seat` is None on a page socket; `admitted` is a copy for routing, never for rights."""

    sid: str
    actor: Actor
    session_id: UUID
    consilium: UUID | None = None
    seat: UUID | None = None
    admitted: bool = False
    limits: Limits = field(default_factory=Limits)
    drafts: set[UUID] = field(default_factory=set)
    devices: dict[str, bool] = field(default_factory=dict)
    probing: bool = False
    last_seen: datetime | None = None
    gone: bool = False


@dataclass(slots=True, kw_only=True)
class Room:
    """What is remembered of one consilium while somebody is connected here."""

    id: UUID
    connections: dict[UUID, Connection] = field(default_factory=dict)
    view: dict[str, Any] | None = None
    presenters: frozenset[UUID] | None = None
    leaving: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)

    def devices(self) -> dict[str, dict[str, bool]]:
        return {str(seat): one.devices for seat, one in self.connections.items() if one.admitted}


class Sessions:
    """All connections of this process, by socket and by room."""

    def __init__(self) -> None:
        self.by_sid: dict[str, Connection] = {}
        self.rooms: dict[UUID, Room] = {}

    def add(self, connection: Connection) -> Connection | None:
        """Seat a connection; returns the older one of the same seat, which must go."""
        self.by_sid[connection.sid] = connection
        if connection.consilium is None or connection.seat is None:
            return None
        room = self.rooms.setdefault(connection.consilium, Room(id=connection.consilium))
        timer = room.leaving.pop(connection.seat, None)
        if timer is not None:
            timer.cancel()
        older = room.connections.get(connection.seat)
        room.connections[connection.seat] = connection
        return older

    def remove(self, sid: str) -> Connection | None:
        """Forget a socket; the room keeps nothing of it unless a newer socket holds the seat."""
        connection = self.by_sid.pop(sid, None)
        room = self.room_of(connection)
        if connection is None or room is None or connection.seat is None:
            return connection
        if room.connections.get(connection.seat) is connection:
            del room.connections[connection.seat]
        return connection

    def people(self) -> dict[UUID, int]:
        """How many sockets each room has here, those without any left out."""
        return {room.id: len(room.connections) for room in self.rooms.values() if room.connections}

    def room_of(self, connection: Connection | None) -> Room | None:
        return self.rooms.get(connection.consilium) if connection and connection.consilium else None

    def forget_empty(self, room_id: UUID) -> None:
        room = self.rooms.get(room_id)
        if room is not None and not room.connections and not room.leaving:
            del self.rooms[room_id]
