"""The entries that references turned out to be, sorted; on disk as soon as they are many."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

import apsw
import msgspec

from artifactd.daemon.queue.sqlite import NO_SPACE, transaction
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import Entry

__all__ = ["FoundEntries"]

_MAX_FILES = 10_000_000
_MAX_SIZE = 1 << 62
_CACHE_KIB = 8_192

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class FoundEntries:
    """Entries by path, with their number and the sum of their sizes. Close it. For one thread at a time."""

    def __init__(self) -> None:
        # Without a name it is a temporary file of SQLite's own, which is in memory while it is small.
        self._db = apsw.Connection("")
        self._db.execute(
            f"PRAGMA cache_size=-{_CACHE_KIB};"
            "CREATE TABLE entries (path BLOB PRIMARY KEY, entry BLOB NOT NULL) WITHOUT ROWID"
        )
        self.files = 0
        self.size = 0

    def close(self) -> None:
        self._db.close()

    def add(self, entries: Sequence[Entry]) -> None:
        """Take entries in. Raises `InvalidRequest` for a path that is there already, `OSError` on a full disk."""
        rows = [(entry.path.encode(), _encode(entry)) for entry in entries]
        try:
            with transaction(self._db):
                self._db.executemany("INSERT INTO entries VALUES (?, ?)", rows)
        except apsw.ConstraintError as error:
            raise InvalidRequest(
                "two references would make the same entry", subject=self._twice(entries)
            ) from error
        except NO_SPACE as error:
            raise OSError(errno.ENOSPC, "no space for what references refer to") from error
        self.files += len(entries)
        self.size += sum(entry.size for entry in entries)
        if self.files > _MAX_FILES or self.size >= _MAX_SIZE:
            raise InvalidRequest("its references stand for more than an artifact can hold")

    def __iter__(self) -> Iterator[Entry]:
        """By path, as UTF-8 bytes."""
        for (entry,) in self._db.execute("SELECT entry FROM entries ORDER BY path"):
            yield _decode(entry)

    def _twice(self, entries: Sequence[Entry]) -> str:
        seen: set[str] = set()
        for entry in entries:
            known = self._db.execute("SELECT 1 FROM entries WHERE path = ?", (entry.path.encode(),)).get
            if known is not None or entry.path in seen:
                return entry.path
            seen.add(entry.path)
        return ""
