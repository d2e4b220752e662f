"""Which blobs an entity has in the store, and where they lie."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, case, false, null, select

from artifactd.daemon.catalog.dialect import chunks, insert
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.catalog.schema import blobs

__all__ = ["add_blobs", "find_blobs", "find_with_condemned", "take_back"]


def find_blobs(connection: Connection, entity: str, digests: Collection[str]) -> dict[str, BlobLocation]:
    """The locations of those blobs that `entity` has already."""
    return find_with_condemned(connection, entity, digests)[0]


def find_with_condemned(
    connection: Connection, entity: str, digests: Collection[str]
) -> tuple[dict[str, BlobLocation], set[str]]:
    """`find_blobs`, and which of these a collector will delete unless they are taken back."""
    found: dict[str, BlobLocation] = {}
    condemned: set[str] = set()
    for some in chunks(list(digests)):
        rows = connection.execute(
            select(*blobs.c["digest", "condemned", "key", "offset", "length"]).where(
                blobs.c.entity == entity, blobs.c.digest.in_(some), ~blobs.c.deleting
            )
        )
        for digest, epoch, *location in rows:
            found[digest] = BlobLocation(*location)
            if epoch is not None:
                condemned.add(digest)
    return found, condemned


def take_back(connection: Connection, entity: str, digests: Collection[str]) -> None:
    """Somebody relies on these blobs again: those that are not being deleted are condemned no more."""
    for some in chunks(sorted(digests)):
        connection.execute(
            blobs.update()
            .where(blobs.c.entity == entity, blobs.c.digest.in_(some), ~blobs.c.deleting)
            .values(condemned=null())
        )


def add_blobs(connection: Connection, rows: Sequence[tuple[str, str, BlobLocation]]) -> None:
    """Record `(entity, digest, location)`: one that is there keeps its location, unless that is being deleted."""
    if not rows:
        return
    adding = insert(connection, blobs)
    moved = {
        name: case((blobs.c.deleting, adding.excluded[name]), else_=blobs.c[name])
        for name in ("key", "offset", "length")
    }
    # In one order everywhere, so that no two transactions wait for each other.
    connection.execute(
        adding.on_conflict_do_update(
            index_elements=["entity", "digest"],
            set_={**moved, "condemned": null(), "deleting": false()},
            # A blob that is known is not written again.
            where=blobs.c.condemned.is_not(None),
        ),
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
