"""How everybody's media was, one row a stay: written by signaling as the media worker tells it, read by reports.

Figures about a connection, no word of what was said; kept beside the journal and not in it, since nothing in law
hangs on them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from consilium.store.tables import media_summaries


def keep(connection: sa.Connection, room: UUID, seat: UUID, data: Mapping[str, Any], at: datetime) -> None:
    """Once, however many signaling servers heard it: the same words are the same row."""
    words = json.dumps([str(room), str(seat), dict(data)], sort_keys=True)
    row = {
        "consilium_id": room,
        "seat_id": seat,
        "digest": hashlib.sha256(words.encode()).hexdigest(),
        "at": at,
        "data": dict(data),
    }
    insert: postgresql.Insert | sqlite.Insert
    if connection.dialect.name == "postgresql":
        insert = postgresql.insert(media_summaries)
    else:
        insert = sqlite.insert(media_summaries)
    connection.execute(insert.values(row).on_conflict_do_nothing(index_elements=["digest"]))
