"""All rows of a catalog, page by page: for those who look at the whole of it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, exists, select, tuple_, union

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.catalog.schema import blobs, collections, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE

__all__ = ["PAGE", "BlobRow", "VersionRow", "is_live", "list_entities", "page_of_blobs", "page_of_versions"]

PAGE = 10_000
"""Rows in memory at the same time."""


@dataclass(frozen=True, slots=True)
class BlobRow:
    """A blob that `entity` has, as the catalog knows it."""

    entity: str
    digest: str
    location: BlobLocation


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A live version, or a link to one; `digest` is its manifest's."""

    collection_id: int
    number: int
    entity: str
    project: str
    name: str
    digest: str

    @property
    def address(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}:v{self.number}"


def list_entities(connection: Connection) -> list[str]:
    """Whoever has a blob or a collection, by name."""
    owners = union(select(blobs.c.entity), select(collections.c.entity)).order_by("entity")
    return list(connection.scalars(owners))


def page_of_blobs(connection: Connection, entity: str, after: str) -> list[BlobRow]:
    """The next `PAGE` blobs of an entity behind the digest `after`, by digest; fewer at the end."""
    rows = connection.execute(
        select(*blobs.c["digest", "key", "offset", "length"])
        .where(blobs.c.entity == entity, blobs.c.digest > after, ~blobs.c.deleting)
        .order_by(blobs.c.digest)
        .limit(PAGE)
    )
    return [BlobRow(entity, digest, BlobLocation(*location)) for digest, *location in rows]


def page_of_versions(connection: Connection, after: tuple[int, int]) -> list[VersionRow]:
    """The next `PAGE` live versions behind `(collection id, number)`, in that order; fewer at the end."""
    place = (versions.c.collection_id, versions.c.number)
    rows = connection.execute(
        select(*place, collections.c.entity, collections.c.project, collections.c.name, versions.c.digest)
        .join_from(versions, collections)
        .where(IS_LIVE, tuple_(*place) > tuple_(*after))
        .order_by(*place)
        .limit(PAGE)
    )
    return [VersionRow(*row) for row in rows]


def is_live(connection: Connection, version: VersionRow) -> bool:
    """Whether the version is still there, with these contents."""
    place = versions.c.collection_id == version.collection_id, versions.c.number == version.number
    return bool(connection.scalar(select(exists().where(*place, IS_LIVE, versions.c.digest == version.digest))))
