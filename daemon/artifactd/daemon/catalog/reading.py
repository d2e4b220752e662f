"""Looking versions and collections up. Deleted versions are never seen."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select, tuple_

from artifactd.daemon.catalog.schema import aliases, collections, tags, versions
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.names import version_number

__all__ = ["find_version", "list_collections", "list_versions"]

_MAX_PAGE = 1_000
# A page travels as one message of the wire, which has room for 1 MiB of text beside the rest.
_MAX_PAGE_BYTES = 1 << 20
_MAX_NAMES = 1_000
_MAX_HINTS = 10

_LIVE = versions.c.deleted_at.is_(None)


def _find_collection(connection: Connection, entity: str, project: str, name: str) -> Row[Any]:
    """The row of a collection. Raises `ArtifactNotFound`, naming collections of the project with a like name."""
    row = connection.execute(
        select(collections).where(
            collections.c.entity == entity, collections.c.project == project, collections.c.name == name
        )
    ).one_or_none()
    if row is not None:
        return row
    names = connection.scalars(
        select(collections.c.name)
        .where(collections.c.entity == entity, collections.c.project == project)
        .order_by(collections.c.name)
        .limit(_MAX_NAMES)
    ).all()
    near = difflib.get_close_matches(name, names, n=_MAX_HINTS) or names[:_MAX_HINTS]
    raise ArtifactNotFound(
        "no such artifact",
        subject=f"{entity}/{project}/{name}",
        remedy=f"{entity}/{project} has {', '.join(near)}"
        if near
        else f"nothing was logged to {entity}/{project}",
    )


def find_version(
    connection: Connection, entity: str, project: str, name: str, alias: str, type: str | None
) -> messages.Version:
    """The version that `alias`, or `v<number>`, names.

    Raises `ArtifactNotFound`, naming what exists; `InvalidRequest` when the collection is not of `type`.
    """
    collection = _find_collection(connection, entity, project, name)
    address = f"{entity}/{project}/{name}:{alias}"
    if type is not None and type != collection.type:
        raise InvalidRequest(f"the artifact has type {collection.type!r}, not {type!r}", subject=address)
    query = select(versions).where(versions.c.collection_id == collection.id, _LIVE)
    number = version_number(alias)
    if number is None:
        query = query.join_from(versions, aliases).where(aliases.c.name == alias)
    else:
        query = query.where(versions.c.number == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise ArtifactNotFound("no such version", subject=address, remedy=_existing(connection, collection.id))
    return _messages(connection, collection, [row])[0]


def _existing(connection: Connection, collection_id: int) -> str:
    newest = connection.scalar(
        select(func.max(versions.c.number)).where(versions.c.collection_id == collection_id, _LIVE)
    )
    if newest is None:
        return "it has no versions"
    names = connection.scalars(
        select(aliases.c.name)
        .join_from(aliases, versions)
        .where(aliases.c.collection_id == collection_id, _LIVE)
        .order_by(aliases.c.name)
        .limit(_MAX_HINTS)
    ).all()
    return f"it has {', '.join((*names, f'versions up to v{newest}'))}"


def list_versions(connection: Connection, request: messages.GetVersions) -> messages.Versions:
    """A page of one collection, newest first; shorter than asked where the texts are long.

    Raises `ArtifactNotFound` when there is no such collection.
    """
    collection = _find_collection(connection, request.entity, request.project, request.name)
    query = select(versions).where(versions.c.collection_id == collection.id, _LIVE)
    if request.before is not None:
        query = query.where(versions.c.number < request.before)
    limit = _clamp(request.limit)
    rows = connection.execute(query.order_by(versions.c.number.desc()).limit(limit + 1))
    page, more = _fitting(rows, limit)
    return messages.Versions(items=_messages(connection, collection, page), more=more)


def _fitting(rows: Iterable[Row[Any]], limit: int) -> tuple[list[Row[Any]], bool]:
    page: list[Row[Any]] = []
    room = _MAX_PAGE_BYTES
    for row in rows:
        room -= len(row.metadata.encode()) + len((row.description or "").encode())
        if page and (len(page) == limit or room < 0):
            return page, True
        page.append(row)
    return page, False


def _messages(
    connection: Connection, collection: Row[Any], rows: Sequence[Row[Any]]
) -> tuple[messages.Version, ...]:
    numbers = [row.number for row in rows]
    aliases_of = _labels(connection, aliases, collection.id, numbers)
    tags_of = _labels(connection, tags, collection.id, numbers)
    return tuple(
        messages.Version(
            entity=collection.entity,
            project=collection.project,
            name=collection.name,
            type=collection.type,
            version=row.number,
            digest=row.digest,
            files=row.files,
            size=row.size,
            aliases=tuple(aliases_of.get(row.number, ())),
            tags=tuple(tags_of.get(row.number, ())),
            description=row.description,
            metadata=row.metadata,
            run=row.run,
            created_at=row.created_at,
        )
        for row in rows
    )


def _labels(
    connection: Connection, table: Table, collection_id: int, numbers: Sequence[int]
) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for number, name in connection.execute(
        select(table.c.number, table.c.name)
        .where(table.c.collection_id == collection_id, table.c.number.in_(numbers))
        .order_by(table.c.name)
    ):
        found.setdefault(number, []).append(name)
    return found


def list_collections(connection: Connection, request: messages.GetCollections) -> messages.Collections:
    """A page of an entity's collections, or of one project's, by (project, name)."""
    live = (versions.c.collection_id == collections.c.id, _LIVE)
    newest = select(func.max(versions.c.number)).where(*live).scalar_subquery()
    made = select(versions.c.created_at).where(*live).order_by(versions.c.number.desc()).limit(1).scalar_subquery()
    place = (collections.c.project, collections.c.name)
    query = select(
        *collections.c["entity", "project", "name", "type"],
        select(func.count()).select_from(versions).where(*live).scalar_subquery().label("versions"),
        newest.label("newest"),
        func.coalesce(made, collections.c.created_at).label("updated_at"),
    ).where(collections.c.entity == request.entity)
    if request.project is not None:
        query = query.where(collections.c.project == request.project)
    if request.after is not None:
        query = query.where(tuple_(*place) > tuple_(*request.after))
    limit = _clamp(request.limit)
    rows = connection.execute(query.order_by(*place).limit(limit + 1)).all()
    items = tuple(
        messages.Collection(
            entity=row.entity,
            project=row.project,
            name=row.name,
            type=row.type,
            versions=row.versions,
            newest=row.newest,
            updated_at=row.updated_at,
        )
        for row in rows[:limit]
    )
    return messages.Collections(items=items, more=len(rows) > limit)


def _clamp(limit: int) -> int:
    return max(1, min(limit, _MAX_PAGE))
