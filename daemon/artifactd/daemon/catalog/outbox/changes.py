"""Noting a change, inside the transaction that makes it.

Whoever changes a collection or a run has locked its row first. So the ids of one stream ascend in the order in
which its changes were committed, and an id says: all of the stream up to here.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from artifactd.daemon.catalog.dialect import clock
from artifactd.daemon.catalog.schema import outbox

__all__ = ["Change", "StreamKind", "note_changes"]


class StreamKind(StrEnum):
    """What has records of its own."""

    COLLECTION = "collection"
    RUN = "run"


class Change(NamedTuple):
    """One thing that changed in a collection or a run, whose `name` is then the run's id.

    `version` is the number of the version that changed, if one did; `uid` and `submission_id` name the commit that
    changed it, and are None for anything else.
    """

    kind: StreamKind
    entity: str
    project: str
    name: str
    version: int | None = None
    uid: int | None = None
    submission_id: bytes | None = None


def note_changes(connection: Connection, changes: Iterable[Change]) -> None:
    """Add the changes of one transaction to the outbox, in one statement."""
    rows = [change._asdict() for change in changes]
    if rows:
        connection.execute(outbox.insert().values(created_at=clock(connection)), rows)
