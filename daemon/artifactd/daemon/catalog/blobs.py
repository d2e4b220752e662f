"""Which blobs an entity has in the store, and where they lie."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select

from artifactd.daemon.catalog.dialect import chunks, insert
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.catalog.schema import blobs

__all__ = ["add_blobs", "find_blobs"]


def find_blobs(connection: Connection, entity: str, digests: Collection[str]) -> dict[str, BlobLocation]:
    """The locations of those blobs that `entity` has already."""
    found: dict[str, BlobLocation] = {}
    for some in chunks(list(digests)):
        rows = connection.execute(
            select(*blobs.c["digest", "key", "offset", "length"]).where(
                blobs.c.entity == entity, blobs.c.digest.in_(some)
            )
        )
        found.update((digest, BlobLocation(key, offset, length)) for digest, key, offset, length in rows)
    return found


def add_blobs(connection: Connection, rows: Sequence[tuple[str, str, BlobLocation]]) -> None:
    """Record `(entity, digest, location)`; a blob that is known keeps the location it has."""
    if rows:
        # In one order everywhere, so that no two transactions wait for each other.
        connection.execute(
            insert(connection, blobs).on_conflict_do_nothing(),
            [
                {
                    "entity": entity,
                    "digest": digest,
                    "key": location.key,
                    "offset": location.offset,
                    "length": location.length,
                }
                for entity, digest, location in sorted(rows, key=lambda row: row[:2])
            ],
        )
