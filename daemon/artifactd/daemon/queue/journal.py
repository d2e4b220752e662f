"""The durable rows of the queue: what was accepted, what became of it, and multipart uploads under way.

One row per submission, written before its acknowledgement. Hashing, uploading and ready are not journalled:
the pipeline is idempotent, so an unfinished submission simply starts again after a crash.

Every write is an operation object, applied by the one writer (`Journal.write`) in batches of one transaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import apsw
import outcome
import xxhash

from artifactd.daemon.queue.journal_schema import open_journal, open_reader
from artifactd.protocol.errors import InvalidRequest, NotAccepted, OutOfSpace
from artifactd.protocol.states import State

__all__ = [
    "Accept",
    "Finish",
    "Journal",
    "MarkDurable",
    "Operation",
    "Prune",
    "Row",
    "UploadCreated",
    "UploadCreating",
    "UploadEnded",
]

_COLUMNS = "position, uid, id, body, body_hash, accepted_at, boot, state, durable, ended_at, result, checksum"


@dataclass(frozen=True, slots=True)
class Row:
    """One submission as it lies in the journal. `body` is empty once it is committed."""

    position: int
    uid: int
    id: bytes
    body: bytes
    body_hash: bytes
    accepted_at: float
    boot: str
    state: State
    durable: bool
    ended_at: float | None
    result: bytes | None


class Operation(Protocol):
    """One write. `apply` runs inside the writer's transaction; a raised error undoes this operation only."""

    def apply(self, journal: Journal, db: apsw.Connection) -> Any: ...


@dataclass(frozen=True, slots=True)
class Accept:
    """Take a submission in. Gives the `Row`, which for a resent id is the one that is there already.

    Raises `InvalidRequest` for a known id with another body, and `NotAccepted` past `deadline`
    (CLOCK_BOOTTIME, ns) or, for an unknown id, when its lane has gone on.
    """

    uid: int
    id: bytes
    body: bytes
    body_hash: bytes
    lane: bytes
    seq: int
    deadline: int
    after: bytes | None

    def apply(self, journal: Journal, db: apsw.Connection) -> Row:
        known = journal.find(self.uid, self.id, db)
        if known is not None:
            if known.body_hash != self.body_hash:
                raise InvalidRequest("this submission id was used for another artifact", subject=self.id.hex())
            return known
        if time.clock_gettime_ns(time.CLOCK_BOOTTIME) > self.deadline:
            raise NotAccepted("the call had given up before the daemon could accept it", subject=self.id.hex())
        last = db.execute("SELECT seq FROM lanes WHERE uid=? AND lane=?", (self.uid, self.lane)).get
        if last is not None and self.seq <= last:
            raise NotAccepted("a newer call of the same thread came first", subject=self.id.hex())
        if self.after is not None:
            self._check_predecessor(journal, db, self.after)
        db.execute("REPLACE INTO lanes VALUES (?,?,?,?)", (self.uid, self.lane, self.seq, journal.boot))
        row = Row(
            position=journal.take_position(),
            uid=self.uid,
            id=self.id,
            body=self.body,
            body_hash=self.body_hash,
            accepted_at=time.time(),
            boot=journal.boot,
            state=State.ACCEPTED,
            durable=False,
            ended_at=None,
            result=None,
        )
        journal.insert(row, db)
        return row

    def _check_predecessor(self, journal: Journal, db: apsw.Connection, after: bytes) -> None:
        predecessor = journal.find(self.uid, after, db)
        if predecessor is None:
            raise InvalidRequest("after= names a submission that this daemon does not know", subject=after.hex())
        if predecessor.state in (State.FAILED, State.CANCELLED):
            raise InvalidRequest(f"after= names a submission that {predecessor.state}", subject=after.hex())


@dataclass(frozen=True, slots=True)
class Finish:
    """Record the end of a submission. `result` is what the handle will be told."""

    position: int
    state: State
    result: bytes

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        row = journal.get(self.position, db)
        if row is None or row.state is not State.ACCEPTED:
            return
        body = b"" if self.state is State.COMMITTED else row.body
        journal.update(row, db, state=self.state, result=self.result, body=body, ended_at=time.time())


@dataclass(frozen=True, slots=True)
class MarkDurable:
    """The spool files of this submission have reached the disk."""

    position: int

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        row = journal.get(self.position, db)
        if row is not None and row.state is State.ACCEPTED:
            journal.update(row, db, durable=True)


@dataclass(frozen=True, slots=True)
class Prune:
    """Forget results that ended before `ended_before`, and lanes of earlier boots."""

    ended_before: float

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        db.execute(
            "DELETE FROM submissions WHERE ended_at < ? AND position < (SELECT max(position) FROM submissions)",
            (self.ended_before,),
        )
        db.execute("DELETE FROM lanes WHERE boot <> ?", (journal.boot,))


@dataclass(frozen=True, slots=True)
class UploadCreating:
    """A multipart upload is about to be created under `key`."""

    key: str

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        db.execute("REPLACE INTO uploads VALUES (?, NULL)", (self.key,))


@dataclass(frozen=True, slots=True)
class UploadCreated:
    """The multipart upload has this id; no part of it was sent yet."""

    key: str
    upload_id: str

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        db.execute("REPLACE INTO uploads VALUES (?, ?)", (self.key, self.upload_id))


@dataclass(frozen=True, slots=True)
class UploadEnded:
    """The multipart upload was completed or aborted."""

    key: str

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        db.execute("DELETE FROM uploads WHERE key = ?", (self.key,))


class Journal:
    """The journal's file. Writing is for one thread at a time, reading for any.

    `boot` is the kernel's boot id: rows of another boot were written before the machine went down.
    """

    def __init__(self, path: Path, *, boot: str) -> None:
        self.boot = boot
        self._writer = open_journal(path)
        self._reader = open_reader(path)
        self._reading = threading.Lock()
        newest = self._writer.execute("SELECT max(position) FROM submissions").get
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
            with self._writer:
                results = [self._apply(operation) for operation in operations]
        except apsw.FullError as error:
            self._next_position = first_position
            raise OutOfSpace("the disk that holds the journal is full", remedy="free space on it") from error
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
        db.execute(f"INSERT INTO submissions ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", _to_sql(row))

    def update(self, row: Row, db: apsw.Connection, **changes: Any) -> None:
        """Write `row` with `changes`, under a new checksum."""
        changed = Row(**{name: changes.get(name, getattr(row, name)) for name in Row.__slots__})
        db.execute(
            "UPDATE submissions SET body=?, state=?, durable=?, ended_at=?, result=?, checksum=? WHERE position=?",
            (
                changed.body,
                changed.state.value,
                changed.durable,
                changed.ended_at,
                changed.result,
                _checksum(changed),
                changed.position,
            ),
        )

    def find(self, uid: int, id: bytes, db: apsw.Connection | None = None) -> Row | None:
        """The submission of this user, finished or not."""
        return self._one("uid = ? AND id = ?", (uid, id), db)

    def get(self, position: int, db: apsw.Connection | None = None) -> Row | None:
        return self._one("position = ?", (position,), db)

    def _one(self, where: str, values: tuple[Any, ...], db: apsw.Connection | None) -> Row | None:
        query = f"SELECT {_COLUMNS} FROM submissions WHERE {where}"
        if db is not None:
            found = db.execute(query, values).fetchone()
        else:
            with self._reading:
                found = self._reader.execute(query, values).fetchone()
        return None if found is None else _from_sql(found)

    def unfinished(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` rows that were accepted and have not ended, by position, behind `after`.

        Rows whose checksum does not hold are moved to the quarantine; call `quarantined` for their number.
        Only before the writer's thread runs.
        """
        rows: list[Row] = []
        where = "state = 'accepted' AND position > ? ORDER BY position LIMIT ?"
        query = f"SELECT {_COLUMNS} FROM submissions WHERE {where}"
        found: list[tuple[Any, ...]] = self._writer.execute(query, (after, limit)).fetchall()
        for columns in found:
            if is_intact(columns):
                rows.append(_from_sql(columns))
            else:
                self._quarantine(columns[0])
        return rows

    def _quarantine(self, position: int) -> None:
        with self._writer:
            self._writer.execute(
                "INSERT OR REPLACE INTO quarantine SELECT position, uid, id, body, ?, 'checksum does not match' "
                "FROM submissions WHERE position = ?",
                (time.time(), position),
            )
            self._writer.execute("DELETE FROM submissions WHERE position = ?", (position,))

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
                f"SELECT {_COLUMNS} FROM submissions WHERE position IN ({marks})", tuple(positions)
            ).fetchall()
        return {row.position: row for row in map(_from_sql, found)}

    def ended(self, state: State, limit: int) -> list[Row]:
        """The newest `limit` submissions that ended in `state`."""
        with self._reading:
            found = self._reader.execute(
                f"SELECT {_COLUMNS} FROM submissions WHERE state = ? AND ended_at IS NOT NULL "
                "ORDER BY ended_at DESC LIMIT ?",
                (state.value, limit),
            ).fetchall()
        return [_from_sql(row) for row in found]

    def counts(self) -> dict[str, int]:
        """How many submissions the journal holds, by state."""
        with self._reading:
            found: list[Any] = self._reader.execute(
                "SELECT state, count(*) FROM submissions GROUP BY state"
            ).fetchall()
        return dict(found)

    def uploads(self) -> list[tuple[str, str | None]]:
        """Multipart uploads that began and have not ended, as (key, upload id or None)."""
        with self._reading:
            return [
                (key, upload_id) for key, upload_id in self._reader.execute("SELECT key, upload_id FROM uploads")
            ]


def _to_sql(row: Row) -> tuple[Any, ...]:
    return (
        row.position,
        row.uid,
        row.id,
        row.body,
        row.body_hash,
        row.accepted_at,
        row.boot,
        row.state.value,
        row.durable,
        row.ended_at,
        row.result,
        _checksum(row),
    )


def _from_sql(found: tuple[Any, ...]) -> Row:
    position, uid, id, body, body_hash, accepted_at, boot, state, durable, ended_at, result, _ = found
    return Row(
        position, uid, id, body, body_hash, accepted_at, boot, State(state), bool(durable), ended_at, result
    )


def is_intact(found: tuple[Any, ...]) -> bool:
    """Whether a row as read still has the checksum it was written with."""
    try:
        return bool(found[-1] == _checksum(_from_sql(found)))
    except ValueError:
        return False


def _checksum(row: Row) -> bytes:
    """XXH3-64 over every column, each with its length, so that no two rows share their bytes."""
    digest = xxhash.xxh3_64()
    fields = (
        b"%d %d %d" % (row.position, row.uid, row.durable),
        row.id,
        row.body,
        row.body_hash,
        f"{row.accepted_at!r} {row.boot} {row.state} {row.ended_at!r}".encode(),
        row.result or b"",
    )
    for field in fields:
        digest.update(len(field).to_bytes(8, "little"))
        digest.update(field)
    return digest.digest()
