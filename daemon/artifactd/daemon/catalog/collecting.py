"""The steps of a collector, each a short transaction; docs/deletion-protocol.md says why in this order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, null, or_, select, true

from artifactd.daemon.catalog.dialect import chunks
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.catalog.schema import blobs, collections, draft_entries, drafts, marks, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE

__all__ = [
    "CONDEMNED",
    "DOOMED",
    "UNCONDEMNED",
    "CollectedBlob",
    "advance",
    "condemn",
    "doom",
    "draft_digests",
    "find_blob_rows",
    "forget",
    "page_of",
    "spare",
    "version_digests",
]

_PAGE = 10_000
_STREAMED = {"yield_per": _PAGE}
_CHANGED_AT_ONCE = 500
"""Rows that one statement names by key and digest together."""

UNCONDEMNED = blobs.c.condemned.is_(None)
CONDEMNED = and_(blobs.c.condemned.is_not(None), ~blobs.c.deleting)
DOOMED = and_(blobs.c.condemned.is_not(None), blobs.c.deleting)


@dataclass(frozen=True, slots=True)
class CollectedBlob:
    """A blob in the collector's eyes: `condemned` is the epoch of that, None for one that nobody condemned."""

    digest: str
    location: BlobLocation
    condemned: int | None


def draft_digests(connection: Connection, entity: str) -> Iterator[str]:
    """What the entity's unfinished drafts refer to."""
    query = (
        select(draft_entries.c.digest)
        .join_from(draft_entries, drafts, drafts.c.id == draft_entries.c.draft_id)
        .where(drafts.c.entity == entity, ~draft_entries.c.directory, draft_entries.c.reference.is_(None))
    )
    with connection.execute(query, execution_options=_STREAMED) as rows:
        yield from rows.scalars()


def version_digests(connection: Connection, entity: str) -> Iterator[tuple[int, int, str]]:
    """The entity's live versions: collection id, number, and the digest of the manifest."""
    query = (
        select(versions.c.collection_id, versions.c.number, versions.c.digest)
        .join_from(versions, collections)
        .where(collections.c.entity == entity, IS_LIVE)
    )
    with connection.execute(query, execution_options=_STREAMED) as rows:
        yield from map(tuple, rows)


def page_of(connection: Connection, entity: str, after: str, which: ColumnElement[bool]) -> list[CollectedBlob]:
    """The next 10,000 of the entity's blobs behind the digest `after`, by digest; fewer at the end."""
    return _blobs(
        connection,
        (blobs.c.entity == entity) & (blobs.c.digest > after) & which,
    )


def find_blob_rows(connection: Connection, entity: str, digests: Sequence[str]) -> list[CollectedBlob]:
    """The rows of at most 10,000 of these blobs, those of blobs that are being deleted too."""
    return _blobs(connection, (blobs.c.entity == entity) & blobs.c.digest.in_(digests))


def _blobs(connection: Connection, condition: ColumnElement[bool]) -> list[CollectedBlob]:
    rows = connection.execute(
        select(*blobs.c["digest", "condemned", "key", "offset", "length"])
        .where(condition)
        .order_by(blobs.c.digest)
        .limit(_PAGE)
    )
    return [CollectedBlob(digest, BlobLocation(*location), condemned) for digest, condemned, *location in rows]


def condemn(connection: Connection, entity: str, digests: Sequence[str]) -> list[str]:
    """Condemn those of the blobs that nobody did yet, in the current epoch; which they are.

    The epoch must grow afterwards, before the horizon is asked for.
    """
    # It can't grow meanwhile: what is stamped with an epoch is to be seen before the next one begins.
    epoch = connection.execute(select(marks.c.epoch).with_for_update(read=True)).scalar_one()
    return [
        digest
        for some in chunks(digests)
        for digest in connection.execute(
            blobs.update()
            .where(blobs.c.entity == entity, blobs.c.digest.in_(some), UNCONDEMNED)
            .values(condemned=epoch)
            .returning(blobs.c.digest)
        ).scalars()
    ]


def advance(connection: Connection) -> int:
    """Let the next epoch begin; which it is."""
    return int(
        connection.execute(marks.update().values(epoch=marks.c.epoch + 1).returning(marks.c.epoch)).scalar_one()
    )


def spare(connection: Connection, entity: str, digests: Sequence[str]) -> None:
    """Something refers to these blobs: they are condemned no more, unless for good."""
    for some in chunks(digests):
        connection.execute(
            blobs.update()
            .where(blobs.c.entity == entity, blobs.c.digest.in_(some), CONDEMNED)
            .values(condemned=null())
        )


def doom(connection: Connection, entity: str, digests: Sequence[str], horizon: int) -> list[str]:
    """Condemn for good those that have been condemned since before `horizon`; which they are.

    From here on they count as missing, and their objects may go.
    """
    return [
        digest
        for some in chunks(digests)
        for digest in connection.execute(
            blobs.update()
            .where(blobs.c.entity == entity, blobs.c.digest.in_(some), CONDEMNED, blobs.c.condemned < horizon)
            .values(deleting=true())
            .returning(blobs.c.digest)
        ).scalars()
    ]


def forget(connection: Connection, entity: str, gone: Sequence[CollectedBlob]) -> None:
    """The objects of these blobs are deleted: so are their rows, unless a blob came back under another key."""
    for start in range(0, len(gone), _CHANGED_AT_ONCE):
        places = [
            and_(blobs.c.digest == blob.digest, blobs.c.key == blob.location.key)
            for blob in gone[start : start + _CHANGED_AT_ONCE]
        ]
        connection.execute(blobs.delete().where(blobs.c.entity == entity, DOOMED, or_(*places)))
