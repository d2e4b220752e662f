"""Digests of files read in place, so that an unchanged file costs a stat.

Only what the daemon itself saw goes in, on local filesystems, and only once the file's ctime is old enough
that a later change must show in it. The cache is a hint on disk that may be deleted at any time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import apsw
import structlog

from artifactd.daemon.queue.filesystems import is_network_filesystem

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
        self._db = apsw.Connection(str(path))
        self._db.pragma("journal_mode", "wal")
        self._db.pragma("synchronous", "OFF")
        self._db.execute(_SCHEMA)
        if self._db.execute("SELECT count(*) FROM digests").get > MAX_ROWS:
            self._db.execute("DELETE FROM digests")
        self._local: dict[int, bool] = {}

    def close(self) -> None:
        self._db.close()

    def find(self, uid: int, status: os.stat_result) -> str | None:
        """The digest of the file that `status` describes, if it was hashed in exactly this state."""
        with self._lock:
            found: str | None = self._db.execute(
                "SELECT digest FROM digests "
                "WHERE dev=? AND ino=? AND uid=? AND size=? AND mtime_ns=? AND ctime_ns=?",
                (status.st_dev, status.st_ino, uid, status.st_size, status.st_mtime_ns, status.st_ctime_ns),
            ).get
        return found

    def add(self, uid: int, hashed: Iterable[tuple[os.stat_result, str]]) -> None:
        """Remember digests of files, each with the status it had before and after it was read."""
        settled = time.time_ns() - SETTLED_NS
        rows = [
            (uid, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, digest)
            for status, digest in hashed
            if status.st_ctime_ns < settled and self._is_local(status.st_dev)
        ]
        if not rows:
            return
        try:
            with self._lock, self._db:
                self._db.executemany("REPLACE INTO digests VALUES (?,?,?,?,?,?,?)", rows)
        except apsw.FullError:
            log.warning("the digest cache cannot grow: the disk is full")

    def _is_local(self, dev: int) -> bool:
        if dev not in self._local:
            self._local[dev] = not is_network_filesystem(dev)
        return self._local[dev]
