"""Rows and nothing but rows: model objects in and out, the journal, the outbox, sessions.

    store = Store(settings.database_url, settings)
    with store.write(at) as tx:
        consilium = tx.consilium(id)        # locked until the end
        consilium.layout = Layout.RECORD    # saved at the commit
        tx.record(LayoutSet(layout="record"), consilium.id, consilium.organisation_id, actor)

tables.py and columns.py say what is kept, mapping.py how an aggregate becomes rows, engine.py why a commit
is durable, journal.py and verify.py how the chain is written and checked, outbox.py how work is leased.
"""

from consilium.store.database import Store
from consilium.store.engine import NotDurable
from consilium.store.journal import Entry
from consilium.store.transaction import Reader, Transaction

__all__ = ["Entry", "NotDurable", "Reader", "Store", "Transaction"]
