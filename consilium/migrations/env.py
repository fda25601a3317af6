"""Called by Alembic; the connection and its transaction are the caller's."""

from alembic import context

from consilium.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite's DDL rolls back too, once the driver leaves BEGIN to us
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
context.run_migrations()
