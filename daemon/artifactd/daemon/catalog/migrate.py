"""Bring a database to the schema of this release, with the migrations that lie in this package."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from artifactd.daemon.catalog.dialect import is_postgresql
from artifactd.daemon.catalog.records import CatalogUnusable

__all__ = ["REBUILDING", "migrate", "revision_of", "set_revision"]

REBUILDING = "rebuilding-"
"""In front of the revision while the catalog is being rebuilt: nobody else may open it."""

_MIGRATING = int.from_bytes(b"artifact")
"""The key of the lock, among all that use the database."""


def migrate(connection: Connection) -> None:
    """Run the missing migrations inside the caller's transaction; of several daemons one does, the others wait.

    Raises `CatalogUnusable`, naming both revisions, when a newer release has migrated the database already, and
    for a database that is half rebuilt.
    """
    if is_postgresql(connection):
        # On SQLite nobody else writes in a writing transaction.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
    config = Config()
    config.set_main_option("script_location", "artifactd.daemon.catalog:migrations")
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    current = revision_of(connection)
    if current == head:
        return
    if current is not None and current.startswith(REBUILDING):
        raise CatalogUnusable(
            f"the catalog {connection.engine.url.render_as_string()} is half rebuilt: let `artifactd "
            "rebuild-catalog` finish, or run it again"
        )
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise CatalogUnusable(
            f"the catalog {connection.engine.url.render_as_string()} is at revision {current}, and this release "
            f"of artifactd knows revisions up to {head}: run the newer artifactd that migrated it"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def revision_of(connection: Connection) -> str | None:
    """The revision of the database's schema, None if it has none."""
    return MigrationContext.configure(connection).get_current_revision()


def set_revision(connection: Connection, revision: str) -> None:
    """Say that the schema, which has a revision, is of this one."""
    connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
