"""Digests of files read in place, so that an unchanged file costs a stat.

Only what the daemon itself saw goes in, on local filesystems, and only once the file's ctime is old enough
that a later change must show in it. The cache is a hint on disk that may be deleted at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import apsw
import structlog

from artifactd.daemon.queue.filesystems import is_network_filesystem
from artifactd.daemon.queue.sqlite import transaction
from artifactd.protocol.manifest import Identity

__all__ = ["DigestCache"]

log = structlog.get_logger()

SETTLED_NS = 2_000_000_000
"""Age of a ctime, in nanoseconds, from which on a later change cannot carry the same stamp."""

MAX_ROWS = 2_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    uid INTEGER, dev INTEGER, ino INTEGER, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, digest TEXT,
    PRIMARY KEY (dev, ino, uid)
) STRICT, WITHOUT ROWID
"""


class DigestCache:
    """Safe from any thread. Every method blocks shortly."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._lock = threading.Lock()
        self._local: dict[int, bool] = {}
        try:
            self._db = _open(path)
        except apsw.Error as error:
            # Never synced, it may be torn after a power cut: begin anew.
            log.warning("the digest cache was damaged and is begun anew", reason=str(error))
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._db = _open(path)

    def close(self) -> None:
        self._db.close()

    def find(self, uid: int, identity: Identity) -> str | None:
        """The digest of the file that `identity` describes, if it was hashed in exactly this state."""
        try:
            with self._lock:
                found: str | None = self._db.execute(
                    "SELECT digest FROM digests "
                    "WHERE dev=? AND ino=? AND uid=? AND size=? AND mtime_ns=? AND ctime_ns=?",
                    (identity.dev, identity.ino, uid, *identity[2:]),
                ).get
        except apsw.Error as error:
            log.warning("the digest cache cannot be read", reason=str(error))
            return None
        return found

    def add(self, uid: int, hashed: Iterable[tuple[Identity, str]], begun_ns: int) -> None:
        """Remember digests of files that had this identity before and after they were read.

        `begun_ns` is the wall clock before the first was read: what was changed shortly before may have been
        changed again within the same tick of its ctime.
        """
        settled = begun_ns - SETTLED_NS
        rows = [
            (uid, *identity, digest)
            for identity, digest in hashed
            if identity.ctime_ns < settled and self._is_local(identity.dev)
        ]
        if not rows:
            return
        try:
            with self._lock, transaction(self._db):
                self._db.executemany("REPLACE INTO digests VALUES (?,?,?,?,?,?,?)", rows)
        except apsw.Error as error:
            log.warning("the digest cache cannot be written", reason=str(error))

    def _is_local(self, dev: int) -> bool:
        if dev not in self._local:
            self._local[dev] = not is_network_filesystem(dev)
        return self._local[dev]


def _open(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    try:
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "OFF")
        db.execute(_SCHEMA)
        if db.execute("SELECT count(*) FROM digests").get > MAX_ROWS:
            db.execute("DELETE FROM digests")
    except apsw.Error:
        db.close()
        raise
    return db
