"""Taking a batch out of the outbox: the oldest rows, and the records that cover them, in one snapshot.

A batch has the oldest rows there are, so of each stream those that come first, and a record is named after the
newest row that it covers. That is why it does not matter how often, where and by whom records are made of the same
rows: whichever names a version last, by its revision, knows everything that was changed of it before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from artifactd.daemon.catalog.dialect import now
from artifactd.daemon.catalog.outbox.changes import StreamKind
from artifactd.daemon.catalog.outbox.encoding import Record
from artifactd.daemon.catalog.outbox.reading_collections import collection_sizes, read_collection
from artifactd.daemon.catalog.outbox.reading_runs import read_run, run_size
from artifactd.daemon.catalog.schema import outbox

__all__ = ["MAX_BATCH", "Lag", "Taken", "TakenRecord", "cut", "forget", "take"]

MAX_BATCH = 512
"""Rows of one batch."""
MAX_SIZE = 4 << 20
"""About as many bytes has one batch, but for its first row's, which may be more."""


class Lag(NamedTuple):
    """How many rows wait, and for how many seconds the oldest has."""

    rows: int
    seconds: float


class TakenRecord(NamedTuple):
    """The rows of one stream, by id, and the record that covers them; None where the stream is gone."""

    ids: tuple[int, ...]
    record: Record | None

    @property
    def revision(self) -> int:
        """What the record is named after: the newest row that it covers."""
        return self.ids[-1]


class Taken(NamedTuple):
    """A batch, and the lag before it is done; nothing is in it when nothing waits."""

    records: tuple[TakenRecord, ...]
    lag: Lag


Stream = tuple[str, str, str, str]
"""Kind, entity, project, and name or id."""


def take(connection: Connection) -> Taken:
    """The next batch."""
    rows = connection.execute(select(outbox).order_by(outbox.c.id).limit(MAX_BATCH)).all()
    if not rows:
        return Taken((), Lag(0, 0.0))
    waiting, since = connection.execute(select(func.count(), func.min(outbox.c.created_at))).one()
    lag = Lag(waiting, max(0.0, now(connection) - since))
    rows = rows[: cut([(_stream(row), row.version) for row in rows], _sizes(connection, rows), MAX_SIZE)]
    return Taken(tuple(_record(connection, *item) for item in _by_stream(rows).items()), lag)


def forget(connection: Connection, ids: Sequence[int]) -> None:
    """Drop rows that are covered by records that are stored."""
    connection.execute(outbox.delete().where(outbox.c.id.in_(ids)))


def cut(rows: Sequence[tuple[Stream, int | None]], sizes: dict[tuple[Stream, int | None], int], room: int) -> int:
    """How many of the rows, from the first one, have records of at most `room`; one at least. Pure.

    `sizes` are those of versions, and with None as the number those of heads.
    """
    seen: set[tuple[Stream, int | None]] = set()
    for index, row in enumerate(rows):
        fresh = {row, (row[0], None)} - seen
        room -= sum(sizes.get(part, 0) for part in fresh)
        if room < 0:
            return max(index, 1)
        seen |= fresh
    return len(rows)


def _stream(row: Row[Any]) -> Stream:
    return row.kind, row.entity, row.project, row.name


def _by_stream(rows: Sequence[Row[Any]]) -> dict[Stream, list[Row[Any]]]:
    streams: dict[Stream, list[Row[Any]]] = {}
    for row in rows:
        streams.setdefault(_stream(row), []).append(row)
    return streams


def _sizes(connection: Connection, rows: Sequence[Row[Any]]) -> dict[tuple[Stream, int | None], int]:
    sizes: dict[tuple[Stream, int | None], int] = {}
    for stream, changes in _by_stream(rows).items():
        kind, *address = stream
        if kind == StreamKind.COLLECTION:
            found = collection_sizes(connection, address, _versions(changes))
        else:
            found = {None: run_size(connection, address)}
        sizes.update(((stream, part), size) for part, size in found.items())
    return sizes


def _versions(changes: Sequence[Row[Any]]) -> set[int]:
    return {row.version for row in changes if row.version is not None}


def _record(connection: Connection, stream: Stream, changes: Sequence[Row[Any]]) -> TakenRecord:
    kind, *address = stream
    record: Record | None
    if kind == StreamKind.COLLECTION:
        commits = {(row.uid, row.submission_id) for row in changes if row.submission_id is not None}
        record = read_collection(connection, address, _versions(changes), commits)
    else:
        record = read_run(connection, address)
    return TakenRecord(tuple(row.id for row in changes), record)
