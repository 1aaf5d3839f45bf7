"""What Alembic runs to migrate; :mod:`storage.migrations` hands it the connection."""

from __future__ import annotations

from alembic import context

from storage.catalog.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
