"""Every write to the journal, as an object that the one writer applies inside its transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.rows import Row
from artifactd.daemon.stores.base import SentPart
from artifactd.protocol.errors import InvalidRequest, NotAccepted
from artifactd.protocol.states import State

__all__ = [
    "Accept",
    "Finish",
    "MarkDurable",
    "Prune",
    "UploadCreated",
    "UploadCreating",
    "UploadEnded",
    "UploadParts",
    "UploadSent",
]

MAX_DEADLINE_SECONDS = 7 * 86400
"""How far ahead a call may give up: what is older than this in a lane can never be accepted."""


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
        ahead = self.deadline - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if ahead > MAX_DEADLINE_SECONDS * 1_000_000_000:
            raise InvalidRequest(f"a deadline is at most {MAX_DEADLINE_SECONDS} seconds ahead")
        if ahead < 0:
            raise NotAccepted("the call had given up before the daemon could accept it", subject=self.id.hex())
        last = db.execute("SELECT seq FROM lanes WHERE uid=? AND lane=?", (self.uid, self.lane)).get
        if last is not None and self.seq <= last:
            raise NotAccepted("a newer call of the same thread came first", subject=self.id.hex())
        if self.after is not None:
            self._check_predecessor(journal, db, self.after)
        db.execute("REPLACE INTO lanes VALUES (?,?,?,?)", (self.uid, self.lane, self.seq, time.time()))
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
    """Forget results that ended before `ended_before`, and lanes in which no call can be under way any more."""

    ended_before: float

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        db.execute(
            "DELETE FROM submissions WHERE state <> 'accepted' AND ended_at < ? "
            "AND position < (SELECT max(position) FROM submissions)",
            (self.ended_before,),
        )
        db.execute("DELETE FROM lanes WHERE used_at < ?", (time.time() - 2 * MAX_DEADLINE_SECONDS,))


@dataclass(frozen=True, slots=True)
class UploadCreating:
    """A multipart upload is about to be created under `key`."""

    key: str

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        _forget_upload(db, self.key)
        db.execute("INSERT INTO uploads VALUES (?, NULL, NULL, ?)", (self.key, time.time()))


@dataclass(frozen=True, slots=True)
class UploadCreated:
    """The multipart upload has this id and parts of this size; none was sent yet."""

    key: str
    upload_id: str
    part_size: int

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        row = (self.key, self.upload_id, self.part_size, time.time())
        db.execute("REPLACE INTO uploads VALUES (?, ?, ?, ?)", row)


@dataclass(frozen=True, slots=True)
class UploadSent:
    """Parts of the multipart upload have arrived. Of one that has ended meanwhile they are dropped."""

    key: str
    upload_id: str
    parts: Sequence[SentPart]

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        upload = (time.time(), self.key, self.upload_id)
        db.execute("UPDATE uploads SET touched_at = ? WHERE key = ? AND upload_id = ?", upload)
        if db.changes():
            rows = [(self.key, part.number, part.etag, part.size, part.prefix) for part in self.parts]
            db.executemany("REPLACE INTO upload_parts VALUES (?, ?, ?, ?, ?)", rows)


@dataclass(frozen=True, slots=True)
class UploadParts:
    """Gives the parts that were noted: read by the writer, so that what was posted before is among them."""

    key: str

    def apply(self, journal: Journal, db: apsw.Connection) -> list[SentPart]:
        query = "SELECT number, etag, size, prefix FROM upload_parts WHERE key = ? ORDER BY number"
        return [SentPart(*row) for row in db.execute(query, (self.key,))]


@dataclass(frozen=True, slots=True)
class UploadEnded:
    """The multipart upload was completed or aborted."""

    key: str

    def apply(self, journal: Journal, db: apsw.Connection) -> None:
        _forget_upload(db, self.key)


def _forget_upload(db: apsw.Connection, key: str) -> None:
    db.execute("DELETE FROM uploads WHERE key = ?", (key,))
    db.execute("DELETE FROM upload_parts WHERE key = ?", (key,))
