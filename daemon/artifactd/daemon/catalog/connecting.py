"""The engines that write and that read: how each database is reached, and how its transactions begin.

SQLite has one connection that writes and checkpoints, and others that do neither: two connections that do
both can lose committed pages in releases of SQLite before 3.51.3 (its WAL-reset bug).

PostgreSQL may be behind a proxy that pools transactions (PgBouncer): nothing that outlives a transaction is
relied on, neither prepared statements nor settings of a session.

Who only reads has engines of its own: another process beside the daemon, that changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from artifactd.daemon.catalog.own_words import own_words
from artifactd.daemon.catalog.records import CatalogUnavailable, CatalogUnusable

__all__ = ["close", "connect", "connect_to_read", "parse", "writing"]

_WANTED = "use sqlite:///FILE or postgresql://HOST/DATABASE"
_BUSY_MILLISECONDS = 10_000
_TURN_SECONDS = 0.002
"""Between two looks whether another process has ended its turn."""

_SQLITE = {"isolation_level": None}
"""pysqlite begins no transaction of its own, so that our BEGIN covers the reads too."""

_POOL = 4
"""Connections of PostgreSQL for writing that are kept, and as many for reading; twice as many at most."""

_REACHING = {
    "application_name": "artifactd",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Milliseconds in which a server that vanished is noticed while it owes us an acknowledgement.
    "tcp_user_timeout": 30_000,
}
"""What libpq does unless the URL says otherwise."""

# A node that stops in the middle of a transaction must not hold up the others for longer than this.
_BEGIN_WRITING = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
    "SET LOCAL lock_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"
)
_BEGIN_READING = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '60s'"
)


def parse(url: str | URL) -> URL:
    """The catalog's URL, taken apart. Raises `CatalogUnusable`, which repeats no secret, if it is none."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise CatalogUnusable(f"the catalog's URL is not understood: {_WANTED}") from None
    if parsed.drivername == "postgresql":
        _check_options(parsed)
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    raise CatalogUnusable(f"a catalog {parsed.drivername}://… is not supported: {_WANTED}")


def _check_options(url: URL) -> None:
    options = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    try:
        make_conninfo(**options)
    except ProgrammingError as error:
        raise CatalogUnusable(f"the catalog's URL has an option that libpq refuses: {error}") from error


def connect(url: URL) -> tuple[Engine, Engine]:
    """Make the engines that write and that read, for a URL of `parse`; nothing is connected yet."""
    return _postgresql(url) if url.get_backend_name() == "postgresql" else _sqlite(url)


def connect_to_read(url: URL) -> Engine:
    """Make the engine of a process that only reads, for a URL of `parse`; nothing is connected yet.

    Raises `CatalogUnusable` for a file that is not there, and does not make it.
    """
    return _postgresql_reader(url) if url.get_backend_name() == "postgresql" else _sqlite_file_to_read(url)


def _postgresql(url: URL) -> tuple[Engine, Engine]:
    # Whoever writes repeats what a lost connection cut off; a look-up of a user's should not notice one.
    return _postgresql_engine(url, _BEGIN_WRITING, ping=False), _postgresql_reader(url)


def _postgresql_reader(url: URL) -> Engine:
    return _postgresql_engine(url, _BEGIN_READING, ping=True)


def _postgresql_engine(url: URL, begin: str, *, ping: bool) -> Engine:
    given = {name: value for name, value in _REACHING.items() if name not in url.query}
    engine = create_engine(
        url,
        # psycopg begins no transaction of its own: ours begins with its settings, in one round trip.
        isolation_level="AUTOCOMMIT",
        connect_args=given | {"prepare_threshold": None},
        pool_size=_POOL,
        max_overflow=_POOL,
        pool_timeout=10.0,
        pool_use_lifo=True,
        pool_pre_ping=ping,
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes. Raises `CatalogUnavailable` when the database can't answer, `InvalidRequest`."""
    with own_words(), engine.connect() as connection, _turn(engine), connection.begin():
        yield connection


def close(reader: Engine, writer: Engine) -> None:
    """Close every connection; on SQLite the last one, the writer's, checkpoints."""
    reader.dispose()
    with suppress(CatalogUnavailable), _turn(writer):
        writer.dispose()


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """On SQLite, one process at a time writes and checkpoints: its own locks let others in between the two."""
    if engine.dialect.name != "sqlite":
        yield
        return
    # The directory, since closing the file itself would free SQLite's own locks.
    assert engine.url.database is not None
    fd = os.open(Path(engine.url.database).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(fd)
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    deadline = time.monotonic() + _BUSY_MILLISECONDS / 1000
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise CatalogUnavailable("another process has been writing to the catalog for too long") from None
            time.sleep(_TURN_SECONDS)
        else:
            return


def _sqlite(url: URL) -> tuple[Engine, Engine]:
    assert url.database is not None
    Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A pool of one connection is also the lock that makes writers take turns.
    writer = create_engine(url, connect_args=_SQLITE, pool_size=1, max_overflow=0)
    event.listen(writer, "connect", _set_up_writer)
    event.listen(writer, "begin", _begin_writing)
    return writer, _sqlite_reader(url)


def _sqlite_file_to_read(url: URL) -> Engine:
    assert url.database is not None
    path = Path(url.database).absolute()
    if not path.is_file():
        raise CatalogUnusable(f"there is no catalog at {path}")
    # SQLite itself refuses to write then, and to checkpoint when the last connection closes. Beside the file it
    # may make its `-wal` and `-shm`, which need to be there; they get the owner of the file.
    return _sqlite_reader(url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"}))


def _sqlite_reader(url: URL) -> Engine:
    reader = create_engine(url, connect_args=_SQLITE, pool_size=4, max_overflow=-1)
    event.listen(reader, "connect", _set_up_reader)
    event.listen(reader, "begin", _begin_reading)
    return reader


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
