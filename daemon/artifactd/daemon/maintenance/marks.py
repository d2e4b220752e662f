"""What an entity's versions and drafts refer to: more digests than fit in memory, so in a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["Marks", "open_marks"]

_AT_ONCE = 10_000


class Marks:
    """A set of digests, and a list of the manifests among them. For one thread at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE marked (digest TEXT PRIMARY KEY) WITHOUT ROWID")
        database.execute("CREATE TABLE manifests (digest TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, digests: Iterable[str]) -> None:
        self._insert("marked", digests)

    def add_manifests(self, digests: Iterable[str]) -> None:
        """Mark these too, and remember that they are manifests."""
        self._insert("manifests", digests)
        self._database.execute("INSERT OR IGNORE INTO marked SELECT digest FROM manifests")

    def manifests(self, after: str) -> list[str]:
        """The next 1,000 manifests behind `after`; fewer at the end."""
        query = "SELECT digest FROM manifests WHERE digest > ? ORDER BY digest LIMIT 1000"
        return [digest for (digest,) in self._database.execute(query, (after,))]

    def among(self, digests: Sequence[str]) -> set[str]:
        """Which of these are marked."""
        found: set[str] = set()
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            places = ",".join("?" * len(some))
            rows = self._database.execute(f"SELECT digest FROM marked WHERE digest IN ({places})", some)
            found.update(digest for (digest,) in rows)
        return found

    def _insert(self, table: str, digests: Iterable[str]) -> None:
        self._database.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?)", ((digest,) for digest in digests))


@contextmanager
def open_marks() -> Iterator[Marks]:
    """An empty set, whose file goes with the context."""
    with TemporaryDirectory(prefix="artifactd-gc-") as directory:
        connection = sqlite3.connect(Path(directory) / "marks", isolation_level=None, check_same_thread=False)
        with closing(connection):
            yield Marks(connection)
