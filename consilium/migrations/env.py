"""Called by Alembic; the connection and its transaction are the caller's."""

from alembic import context

from consilium.migrations import render
from consilium.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite's DDL rolls back too, once the driver leaves BEGIN to us
    render_as_batch=context.config.attributes["batch"],
    render_item=render.item,
    compare_type=render.same_type,
)
context.run_migrations()
