"""Bring a database to the schema of this release, with the migrations that lie in this package."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from artifactd.daemon.catalog.records import CatalogUnusable

__all__ = ["migrate"]


def migrate(connection: Connection) -> None:
    """Run the missing migrations inside the caller's transaction.

    Raises `CatalogUnusable`, naming both revisions, when a newer release has migrated the database already.
    """
    config = Config()
    config.set_main_option("script_location", "artifactd.daemon.catalog:migrations")
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise CatalogUnusable(
            f"the catalog {connection.engine.url.render_as_string()} is at revision {current}, and this release "
            f"of artifactd knows revisions up to {head}: run the newer artifactd that migrated it"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
