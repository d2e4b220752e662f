"""The journal's tables, and how its file is opened so that a full disk and a power cut find it prepared."""

from __future__ import annotations

from pathlib import Path

import apsw
import structlog

from artifactd.daemon.queue.sqlite import NO_SPACE, transaction

__all__ = ["JournalTooNew", "open_journal", "open_reader"]

log = structlog.get_logger()

_INITIAL = """
CREATE TABLE submissions (
    position INTEGER PRIMARY KEY,
    uid INTEGER NOT NULL,
    id BLOB NOT NULL,
    body BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    accepted_at REAL NOT NULL,
    boot TEXT NOT NULL,
    state TEXT NOT NULL,
    durable INTEGER NOT NULL,
    ended_at REAL,
    result BLOB,
    checksum BLOB NOT NULL,
    UNIQUE (uid, id)
) STRICT;
CREATE INDEX submissions_unfinished ON submissions (position) WHERE state = 'accepted';
CREATE INDEX submissions_by_end ON submissions (state, ended_at);
CREATE TABLE lanes (
    uid INTEGER NOT NULL,
    lane BLOB NOT NULL,
    seq INTEGER NOT NULL,
    used_at REAL NOT NULL,
    PRIMARY KEY (uid, lane)
) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (
    key TEXT PRIMARY KEY,
    upload_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
    position INTEGER PRIMARY KEY,
    uid INTEGER,
    id BLOB,
    body BLOB,
    found_at REAL NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""

_RESUMABLE_UPLOADS = """
ALTER TABLE uploads ADD COLUMN part_size INTEGER;
ALTER TABLE uploads ADD COLUMN touched_at REAL NOT NULL DEFAULT 0;
CREATE TABLE upload_parts (
    key TEXT NOT NULL,
    number INTEGER NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    prefix BLOB NOT NULL,
    PRIMARY KEY (key, number)
) STRICT, WITHOUT ROWID;
"""

_STEPS = (_INITIAL, _RESUMABLE_UPLOADS)
"""Step n takes a journal from version n to n + 1. A step that was released never changes."""

SCHEMA_VERSION = len(_STEPS)

_PREALLOCATED = 8 << 20
"""Bytes that the database file and its write-ahead log own before the disk can fill up."""


class JournalTooNew(Exception):
    """The journal was written by a newer artifactd."""


def open_journal(path: Path) -> apsw.Connection:
    """Open, or create, the journal with the one connection that writes and checkpoints it."""
    path.touch(mode=0o600)
    db = apsw.Connection(str(path))
    db.set_busy_timeout(5_000)
    if db.pragma("journal_mode", "wal") != "wal":
        raise OSError(f"{path}: the filesystem refuses SQLite's write-ahead log")
    db.pragma("synchronous", "FULL")
    version = db.pragma("user_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise JournalTooNew(f"{path} has schema {version}; this artifactd knows up to {SCHEMA_VERSION}")
    if version < SCHEMA_VERSION:
        with transaction(db):
            for step in _STEPS[version:]:
                db.execute(step)
            db.pragma("user_version", SCHEMA_VERSION)
    try:
        _preallocate(db)
    except NO_SPACE as error:
        log.warning("the journal cannot reserve space for accepted work", reason=str(error))
    return db


def _preallocate(db: apsw.Connection) -> None:
    """Give the file free pages, and its log as much: updates of accepted work must not need the disk."""
    free = db.pragma("freelist_count")
    size = db.pragma("page_size")
    assert isinstance(free, int)
    assert isinstance(size, int)
    if free * size < _PREALLOCATED // 2:
        with transaction(db):
            db.execute("CREATE TABLE preallocation (bytes BLOB)")
            db.execute("INSERT INTO preallocation VALUES (zeroblob(?))", (_PREALLOCATED,))
        db.execute("DROP TABLE preallocation")
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)


def open_reader(path: Path) -> apsw.Connection:
    """A connection that only reads; it never checkpoints."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(5_000)
    db.pragma("query_only", True)
    db.wal_autocheckpoint(0)
    return db
