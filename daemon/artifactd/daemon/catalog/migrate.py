"""This release's schema: bring a database to it with the migrations of this package, or see that it has it."""

from __future__ import annotations

from importlib.metadata import version

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text

from artifactd.daemon.catalog.dialect import is_postgresql
from artifactd.daemon.catalog.members import fence_all
from artifactd.daemon.catalog.records import CatalogUnusable
from artifactd.daemon.catalog.schema import marks
from artifactd.daemon.catalog_url import shown_catalog_url

__all__ = ["REBUILDING", "check_revision", "migrate", "revision_of", "set_revision"]

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
    config = _configuration()
    script = ScriptDirectory.from_config(config)
    head, current = script.get_current_head(), revision_of(connection)
    if current == head:
        return
    if current is not None and current.startswith(REBUILDING):
        raise _half_rebuilt(shown_catalog_url(connection.engine.url.render_as_string()))
    if current is not None and not _is_known(script, current):
        raise _too_new(connection, shown_catalog_url(connection.engine.url.render_as_string()), current, head)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    fence_all(connection, version("artifactd"))


def check_revision(connection: Connection, shown: str) -> None:
    """See that the database, whose URL is `shown` in errors, has this release's schema; change nothing.

    Raises `CatalogUnusable`, naming both revisions, when an older or a newer release migrated it last, and for a
    database without a catalog.
    """
    script = ScriptDirectory.from_config(_configuration())
    head, current = script.get_current_head(), revision_of(connection)
    if current == head:
        return
    if current is None:
        raise CatalogUnusable(f"{shown} is no catalog: it has no revision, and {head} is wanted")
    if current.startswith(REBUILDING):
        raise _half_rebuilt(shown)
    if not _is_known(script, current):
        raise _too_new(connection, shown, current, head)
    raise CatalogUnusable(
        f"the catalog {shown} is at revision {current}, and this release of artifactd wants {head}: "
        "start its daemon, which migrates it"
    )


def _configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", "artifactd.daemon.catalog:migrations")
    return config


def _is_known(script: ScriptDirectory, revision: str) -> bool:
    return revision in {known.revision for known in script.walk_revisions()}


def _half_rebuilt(shown: str) -> CatalogUnusable:
    return CatalogUnusable(
        f"the catalog {shown} is half rebuilt: let `artifactd rebuild-catalog` finish, or run it again"
    )


def _too_new(connection: Connection, shown: str, current: str, head: str | None) -> CatalogUnusable:
    newer = connection.execute(select(marks.c.release)).scalar_one_or_none()
    return CatalogUnusable(
        f"the catalog {shown} was migrated by artifactd {newer} to revision {current}, and this is artifactd "
        f"{version('artifactd')}, which knows revisions up to {head}: run the newer one here too"
    )


def revision_of(connection: Connection) -> str | None:
    """The revision of the database's schema, None if it has none."""
    return MigrationContext.configure(connection).get_current_revision()


def set_revision(connection: Connection, revision: str) -> None:
    """Say that the schema, which has a revision, is of this one."""
    connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
