"""Reading versions with all that belongs to them: collection, texts, labels, and the source of a link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, func, select

from artifactd.daemon.catalog.schema import aliases, collections, links, tags, versions
from artifactd.protocol import messages

__all__ = ["IS_LIVE", "MAX_PAGE", "about", "fitting", "in_collection", "to_messages", "version_rows"]

MAX_PAGE = 1_000
# A page travels as one message of the wire, which has room for 1 MiB of text beside the rest.
_MAX_PAGE_BYTES = 1 << 20

IS_LIVE = versions.c.deleted_at.is_(None)

about = versions.alias("about")
"""The version that keeps the texts, tags, ttl and run: the source of a link, for all others the version itself."""

_source = collections.alias("source")

_ROWS = (
    select(
        *collections.c["entity", "project", "name", "type", "revision"],
        *versions.c["collection_id", "number", "digest", "files", "size", "created_at", "deleted_at"],
        *about.c["description", "metadata", "ttl", "run"],
        about.c.collection_id.label("about_collection_id"),
        about.c.number.label("about_number"),
        _source.c.entity.label("source_entity"),
        _source.c.project.label("source_project"),
        _source.c.name.label("source_name"),
    )
    .select_from(collections)
    .join(versions, versions.c.collection_id == collections.c.id)
    .outerjoin(links, and_(links.c.collection_id == versions.c.collection_id, links.c.number == versions.c.number))
    .join(
        about,
        and_(
            about.c.collection_id == func.coalesce(links.c.source_collection_id, versions.c.collection_id),
            about.c.number == func.coalesce(links.c.source_number, versions.c.number),
        ),
    )
    .outerjoin(_source, _source.c.id == links.c.source_collection_id)
)


def version_rows() -> Select[Any]:
    """Selects versions, deleted ones too, for `to_messages`; narrow it down, join what more is needed."""
    return _ROWS


def in_collection(entity: str, project: str, name: str) -> Any:
    """Narrows down to one collection."""
    return and_(collections.c.entity == entity, collections.c.project == project, collections.c.name == name)


def fitting(
    rows: Iterable[Row[Any]], limit: int, texts: Sequence[str] = ("metadata", "description")
) -> tuple[list[Row[Any]], bool]:
    """As many of `rows` as make a page of at most `limit` that fits a message, and whether there are more."""
    page: list[Row[Any]] = []
    room = _MAX_PAGE_BYTES
    for row in rows:
        room -= sum(len((getattr(row, text) or "").encode()) for text in texts)
        if page and (len(page) == limit or room < 0):
            return page, True
        page.append(row)
    return page, False


def to_messages(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[messages.Version, ...]:
    """What `version_rows` found, with aliases and tags, in the same order."""
    aliases_of = _labels(connection, aliases, {(row.collection_id, row.number) for row in rows})
    tags_of = _labels(connection, tags, {(row.about_collection_id, row.about_number) for row in rows})
    return tuple(
        messages.Version(
            entity=row.entity,
            project=row.project,
            name=row.name,
            type=row.type,
            version=row.number,
            digest=row.digest,
            files=row.files,
            size=row.size,
            aliases=tuple(aliases_of.get((row.collection_id, row.number), ())),
            tags=tuple(tags_of.get((row.about_collection_id, row.about_number), ())),
            description=row.description,
            metadata=row.metadata,
            run=row.run,
            created_at=row.created_at,
            ttl=row.ttl,
            revision=row.revision,
            source=_source_of(row),
        )
        for row in rows
    )


def _source_of(row: Row[Any]) -> tuple[str, str, str, int] | None:
    if row.source_name is None:
        return None
    return row.source_entity, row.source_project, row.source_name, row.about_number


def _labels(
    connection: Connection, table: Table, versions: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], list[str]]:
    found: dict[tuple[int, int], list[str]] = {}
    # One query for each collection: no index of SQLite serves `(collection_id, number) IN (VALUES …)`.
    for collection_id, group in groupby(sorted(versions), key=itemgetter(0)):
        for number, name in connection.execute(
            select(table.c.number, table.c.name)
            .where(table.c.collection_id == collection_id, table.c.number.in_([number for _, number in group]))
            .order_by(table.c.name)
        ):
            found.setdefault((collection_id, number), []).append(name)
    return found
