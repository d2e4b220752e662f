"""All that differs between databases: how to connect, how transactions begin, upserts, and paths into JSON.

SQLite has one connection that writes and checkpoints, and others that do neither: two connections that do
both can lose committed pages in releases of SQLite before 3.51.3 (its WAL-reset bug).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    case,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from artifactd.daemon.catalog.records import CatalogUnusable

__all__ = ["chunks", "connect", "insert", "json_at", "now"]

_BUSY_MILLISECONDS = 10_000

# SQLite takes 32,766 variables in a statement, PostgreSQL 65,535; a key here has at most three.
_CHUNK = 10_000

_Item = TypeVar("_Item")


def connect(url: URL) -> tuple[Engine, Engine]:
    """Make the engines that write and that read. Raises `CatalogUnusable` for a URL that is not supported."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise CatalogUnusable(f"catalog {url.render_as_string()} is not supported: use sqlite:///FILE")
    Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # isolation_level None: pysqlite begins no transaction of its own, so that our BEGIN covers the reads too.
    arguments = {"isolation_level": None}
    # A pool of one connection is also the lock that makes writers take turns.
    writer = create_engine(url, connect_args=arguments, pool_size=1, max_overflow=0)
    event.listen(writer, "connect", _set_up_writer)
    event.listen(writer, "begin", _begin_writing)
    reader = create_engine(url, connect_args=arguments, pool_size=4, max_overflow=-1)
    event.listen(reader, "connect", _set_up_reader)
    event.listen(reader, "begin", _begin_reading)
    return writer, reader


def _set_up_writer(dbapi_connection: Any, _record: object) -> None:
    dbapi_connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    (mode,) = dbapi_connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise CatalogUnusable(
            f"SQLite answers journal mode {mode!r}: the catalog needs a local filesystem with WAL"
        )
    dbapi_connection.execute("PRAGMA synchronous = FULL")
    dbapi_connection.execute("PRAGMA foreign_keys = ON")


def _set_up_reader(dbapi_connection: Any, _record: object) -> None:
    dbapi_connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    dbapi_connection.execute("PRAGMA query_only = ON")
    dbapi_connection.execute("PRAGMA wal_autocheckpoint = 0")


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT into `table` that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def now(connection: Connection) -> float:
    """The database's clock, in Unix seconds: one for all who write to it."""
    if connection.dialect.name == "postgresql":
        clock = "extract(epoch FROM clock_timestamp())"
    else:
        clock = "(julianday('now') - 2440587.5) * 86400.0"
    return float(connection.execute(text(f"SELECT {clock}")).scalar_one())


def json_at(column: Column[str], path: Sequence[str]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The kind and the value of what lies below the keys `path` of a JSON object kept as text.

    Kinds are `text`, `integer`, `real`, `true`, `false`, `null`, `array`, `object`; NULL where there is nothing.
    Keys are printable and contain neither quotes nor backslashes; the text has them as they are, unescaped.
    """
    place = "$" + "".join(f'."{key}"' for key in path)
    # A text that is no JSON, from before they were checked, would end the whole statement.
    valid = func.json_valid(column) == 1
    return case((valid, func.json_type(column, place))), case((valid, func.json_extract(column, place)))


def chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Cut `items` into pieces of 10,000 that fit the variables of one statement."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
