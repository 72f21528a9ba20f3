"""Alembic's entry: it runs on the connection that `auth_core.store.schema` hands over."""

from alembic import context

from auth_core.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
