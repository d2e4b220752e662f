"""Opening: the schema a database gets, the databases that are refused, and how SQLite is set up."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from catalog_heads import make_head
from sqlalchemy import Engine, create_engine, inspect, text

from artifactd.daemon.catalog import Catalog, CatalogUnavailable, CatalogUnusable
from artifactd.daemon.catalog.connecting import connect, parse
from artifactd.daemon.catalog.schema import metadata


def test_the_migrations_make_exactly_the_schema_that_the_code_uses(catalog_url: str) -> None:
    Catalog.open(catalog_url).close()
    engine = create_engine(parse(catalog_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_migrations_make_the_same_keys_and_checks_as_the_schema(catalog_url: str) -> None:
    # Alembic compares columns, indexes and foreign keys; this compares what it leaves out.
    Catalog.open(catalog_url).close()
    engine = create_engine(parse(catalog_url))
    migrated = keys_and_checks(engine)
    with engine.begin() as connection:
        metadata.drop_all(connection)
    metadata.create_all(engine)
    assert migrated == keys_and_checks(engine)
    engine.dispose()


def keys_and_checks(engine: Engine) -> dict[str, Any]:
    seen = inspect(engine)
    return {
        table: (
            seen.get_pk_constraint(table),
            seen.get_unique_constraints(table),
            sorted((check["name"], check["sqltext"]) for check in seen.get_check_constraints(table)),
        )
        for table in metadata.tables
    }


def test_a_catalog_opened_again_has_what_was_committed(catalog_url: str) -> None:
    catalog = Catalog.open(catalog_url)
    catalog.commit([make_head(1)])
    catalog.close()
    catalog = Catalog.open(catalog_url)
    assert catalog.version("team", "vision", "model", "latest").version == 0
    catalog.close()


def test_a_database_of_a_newer_release_is_refused_naming_both_revisions(catalog_url: str) -> None:
    Catalog.open(catalog_url).close()
    engine = create_engine(parse(catalog_url))
    with engine.begin() as connection:
        known = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-2031'"))
    engine.dispose()
    with pytest.raises(CatalogUnusable, match=rf"from-2031.*\b{known}\b"):
        Catalog.open(catalog_url)


def test_a_migration_that_fails_leaves_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE runs (mine)")
    with pytest.raises(CatalogUnavailable, match="runs"):
        Catalog.open(f"sqlite:///{path}")
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]
    other.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense"])
def test_a_url_that_is_not_supported_is_refused(url: str) -> None:
    with pytest.raises(CatalogUnusable):
        Catalog.open(url)


def test_a_refusal_does_not_show_the_password() -> None:
    with pytest.raises(CatalogUnusable) as caught:
        Catalog.open("mysql://user:secret@host/db")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(CatalogUnavailable, match="not a database"):
        Catalog.open(f"sqlite:///{tmp_path}/catalog.db")


def test_the_directory_of_a_new_catalog_is_for_its_owner_only(tmp_path: Path) -> None:
    Catalog.open(f"sqlite:///{tmp_path}/new/catalog.db").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_one_connection_writes_with_full_durability_and_readers_never_write(tmp_path: Path) -> None:
    writer, reader = connect(parse(f"sqlite:///{tmp_path}/catalog.db"))
    with writer.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA wal_autocheckpoint")) > 0
    with reader.connect() as connection:
        assert connection.scalar(text("PRAGMA query_only")) == 1
        assert connection.scalar(text("PRAGMA wal_autocheckpoint")) == 0
    assert (writer.pool.size(), writer.pool.overflow()) == (1, 0)  # type: ignore[attr-defined]
    reader.dispose()
    writer.dispose()
