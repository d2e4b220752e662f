"""Reading the versions that a batch of heads is compared with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from artifactd.daemon.catalog.folding import CollectionState, Known
from artifactd.daemon.catalog.records import Head
from artifactd.daemon.catalog.schema import collections, tags, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE, about, version_rows

__all__ = ["load_known"]

_IS_NEWEST = and_(versions.c.number == collections.c.next_version - 1, IS_LIVE)


def load_known(connection: Connection, states: Collection[CollectionState], heads: Sequence[Head]) -> None:
    """Give the locked `states` what `heads` may equal: the newest version, and for a reuse any version.

    Only a version with the digest of some head can matter, so the metadata of all others stays unread.
    """
    by_id = {state.id: state for state in states}
    digests = {head.digest for head in heads}
    newest = version_rows().where(collections.c.id.in_(by_id), versions.c.digest.in_(digests), _IS_NEWEST)
    for collection_id, known in _read(connection, newest):
        by_id[collection_id].newest = known
    if reused := {head.digest for head in heads if head.reuse}:
        for collection_id, known in _read(connection, _newest_of_each(by_id, reused)):
            by_id[collection_id].reusable[known.digest] = known


def _newest_of_each(collection_ids: Collection[int], digests: Collection[str]) -> Select[Any]:
    """The newest version that has each digest, in each collection."""
    newest = (
        select(versions.c.collection_id, func.max(versions.c.number).label("number"))
        .where(versions.c.collection_id.in_(collection_ids), versions.c.digest.in_(digests), IS_LIVE)
        .group_by(versions.c.collection_id, versions.c.digest)
        .subquery()
    )
    return version_rows().join(
        newest, and_(newest.c.collection_id == versions.c.collection_id, newest.c.number == versions.c.number)
    )


def _read(connection: Connection, query: Select[Any]) -> list[tuple[int, Known]]:
    """What a narrowed `version_rows` finds, each with the id of its collection."""
    rows = connection.execute(query).all()
    tagged: dict[tuple[int, int], set[str]] = {}
    if rows:
        for collection_id, number, tag in connection.execute(
            query.with_only_columns(versions.c.collection_id, versions.c.number, tags.c.name).join(
                tags, and_(tags.c.collection_id == about.c.collection_id, tags.c.number == about.c.number)
            )
        ):
            tagged.setdefault((collection_id, number), set()).add(tag)
    return [
        (
            row.collection_id,
            Known(
                row.number,
                row.digest,
                row.description,
                row.metadata,
                frozenset(tagged.get((row.collection_id, row.number), ())),
                row.ttl,
            ),
        )
        for row in rows
    ]
