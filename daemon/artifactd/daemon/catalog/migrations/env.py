"""What Alembic runs for each command: the caller's connection, inside the caller's transaction."""

from __future__ import annotations

from alembic import context

from artifactd.daemon.catalog.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
