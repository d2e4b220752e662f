"""One row of the journal, and the checksum that tells whether it is what was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import xxhash

from artifactd.protocol.states import State

__all__ = ["COLUMNS", "Row", "checksum", "from_sql", "is_intact", "to_sql"]

COLUMNS = "position, uid, id, body, body_hash, accepted_at, boot, state, durable, ended_at, result, checksum"


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


def to_sql(row: Row) -> tuple[Any, ...]:
    """The row with its checksum, in the order of `COLUMNS`."""
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
        checksum(row),
    )


def from_sql(found: tuple[Any, ...]) -> Row:
    """A row as read. Raises `ValueError` for an unknown state."""
    position, uid, id, body, body_hash, accepted_at, boot, state, durable, ended_at, result, _ = found
    return Row(
        position, uid, id, body, body_hash, accepted_at, boot, State(state), bool(durable), ended_at, result
    )


def is_intact(found: tuple[Any, ...]) -> bool:
    """Whether a row as read still has the checksum it was written with."""
    try:
        return bool(found[-1] == checksum(from_sql(found)))
    except ValueError:
        return False


def checksum(row: Row) -> bytes:
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
