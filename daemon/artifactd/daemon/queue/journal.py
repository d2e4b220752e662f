"""The durable rows of the queue: what was accepted, what became of it, and multipart uploads under way.

One row per submission, written before its acknowledgement. Hashing, uploading and ready are not journalled:
the pipeline is idempotent, so an unfinished submission simply starts again after a crash.

Every write is an operation object (see `operations`), applied by the one writer in batches of one transaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import apsw
import outcome

from artifactd.daemon.queue.journal_schema import open_journal, open_reader
from artifactd.daemon.queue.rows import COLUMNS, Row, checksum, from_sql, is_intact, to_sql
from artifactd.daemon.queue.sqlite import NO_SPACE, transaction
from artifactd.daemon.stores.base import UnfinishedUpload
from artifactd.protocol.errors import InvalidRequest, NotAccepted, OutOfSpace
from artifactd.protocol.states import State

__all__ = ["Journal", "Operation"]

PAGE_BYTES = 16 << 20
"""Bodies in memory at once while the journal is read from its beginning."""


class Operation(Protocol):
    """One write. `apply` runs inside the writer's transaction; a raised error undoes this operation only."""

    def apply(self, journal: Journal, db: apsw.Connection) -> Any: ...


class Journal:
    """The journal's file. Writing is for one thread at a time, reading for any.

    `boot` is the kernel's boot id: rows of another boot were written before the machine went down.
    """

    def __init__(self, path: Path, *, boot: str) -> None:
        self.boot = boot
        self._writer = open_journal(path)
        self._reader = open_reader(path)
        self._reading = threading.Lock()
        newest = self._writer.execute(
            "SELECT max(position) FROM "
            "(SELECT position FROM submissions UNION ALL SELECT position FROM quarantine)"
        ).get
        self._next_position = (newest or 0) + 1

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    def write(self, operations: Sequence[Operation]) -> list[outcome.Outcome[Any]]:
        """Apply all operations in one transaction and return each one's result, once they are durable.

        Raises `OutOfSpace` when the disk is full: then none of them took effect.
        """
        first_position = self._next_position
        try:
            with transaction(self._writer):
                results = [self._apply(operation) for operation in operations]
        except NO_SPACE as error:
            self._next_position = first_position
            raise OutOfSpace(f"the journal cannot be written: {error}", remedy="free space on its disk") from error
        except BaseException:
            self._next_position = first_position
            raise
        return results

    def _apply(self, operation: Operation) -> outcome.Outcome[Any]:
        try:
            return outcome.Value(operation.apply(self, self._writer))
        except (InvalidRequest, NotAccepted) as error:
            return outcome.Error(error)

    def take_position(self) -> int:
        """The next position. Only inside the writer's transaction."""
        position = self._next_position
        self._next_position += 1
        return position

    def insert(self, row: Row, db: apsw.Connection) -> None:
        db.execute(f"INSERT INTO submissions ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", to_sql(row))

    def update(self, row: Row, db: apsw.Connection, **changes: Any) -> None:
        """Write `row` with `changes`, under a new checksum."""
        changed = replace(row, **changes)
        db.execute(
            "UPDATE submissions SET body=?, state=?, durable=?, ended_at=?, result=?, checksum=? WHERE position=?",
            (
                changed.body,
                changed.state.value,
                changed.durable,
                changed.ended_at,
                changed.result,
                checksum(changed),
                changed.position,
            ),
        )

    def find(self, uid: int, id: bytes, db: apsw.Connection | None = None) -> Row | None:
        """The submission of this user, finished or not."""
        return self._one("uid = ? AND id = ?", (uid, id), db)

    def get(self, position: int, db: apsw.Connection | None = None) -> Row | None:
        return self._one("position = ?", (position,), db)

    def _one(self, where: str, values: tuple[Any, ...], db: apsw.Connection | None) -> Row | None:
        query = f"SELECT {COLUMNS} FROM submissions WHERE {where}"
        if db is not None:
            found = db.execute(query, values).fetchone()
        else:
            with self._reading:
                found = self._reader.execute(query, values).fetchone()
        return None if found is None else from_sql(found)

    def unfinished(self, after: int, limit: int, limit_bytes: int = PAGE_BYTES) -> list[Row]:
        """The next rows that were accepted and have not ended, by position, behind `after`; none at the end.

        At most `limit`, and about `limit_bytes` of bodies. Rows whose checksum does not hold are moved to the
        quarantine. Only before the writer's thread runs.
        """
        rows: list[Row] = []
        where = "state = 'accepted' AND position > ? ORDER BY position LIMIT ?"
        query = f"SELECT {COLUMNS} FROM submissions WHERE {where}"
        damaged: list[int] = []
        size = 0
        cursor = self._reader.execute(query, (after, -1))
        for columns in cursor:
            if not is_intact(columns):
                damaged.append(columns[0])
                continue
            rows.append(from_sql(columns))
            size += len(rows[-1].body)
            if len(rows) >= limit or size >= limit_bytes:
                break
        cursor.close(force=True)
        for position in damaged:
            self._quarantine(position)
        return rows

    def _quarantine(self, position: int) -> None:
        with transaction(self._writer):
            self._writer.execute(
                "INSERT OR REPLACE INTO quarantine SELECT position, uid, id, body, ?, 'checksum does not match' "
                "FROM submissions WHERE position = ?",
                (time.time(), position),
            )
            self._writer.execute("DELETE FROM submissions WHERE position = ?", (position,))

    def quarantine_reason(self, uid: int, id: bytes) -> str | None:
        """Why this submission was set aside, if it was."""
        with self._reading:
            reason: str | None = self._reader.execute(
                "SELECT reason FROM quarantine WHERE uid = ? AND id = ?", (uid, id)
            ).get
        return reason

    def quarantined(self) -> int:
        """How many damaged rows were set aside."""
        with self._reading:
            count = self._reader.execute("SELECT count(*) FROM quarantine").get
        return int(count)

    def bodies(self, positions: Sequence[int]) -> dict[int, Row]:
        """The rows at these positions."""
        marks = ",".join("?" * len(positions))
        with self._reading:
            found = self._reader.execute(
                f"SELECT {COLUMNS} FROM submissions WHERE position IN ({marks})", tuple(positions)
            ).fetchall()
        return {row.position: row for row in map(from_sql, found)}

    def ended(self, state: State, limit: int) -> list[Row]:
        """The newest `limit` submissions that ended in `state`."""
        with self._reading:
            found = self._reader.execute(
                f"SELECT {COLUMNS} FROM submissions WHERE state = ? AND ended_at IS NOT NULL "
                "ORDER BY ended_at DESC LIMIT ?",
                (state.value, limit),
            ).fetchall()
        return [from_sql(row) for row in found]

    def counts(self) -> dict[str, int]:
        """How many submissions the journal holds, by state, and how many it set aside as `quarantined`."""
        with self._reading:
            found: list[Any] = self._reader.execute(
                "SELECT state, count(*) FROM submissions GROUP BY state "
                "UNION ALL SELECT 'quarantined', count(*) FROM quarantine"
            ).fetchall()
        return dict(found)

    def uploads(self) -> list[UnfinishedUpload]:
        """Multipart uploads that began and have not ended."""
        with self._reading:
            found: list[Any] = self._reader.execute(
                "SELECT key, upload_id, part_size, touched_at FROM uploads"
            ).fetchall()
        return [UnfinishedUpload(*row) for row in found]
