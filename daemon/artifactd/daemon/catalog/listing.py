"""Paging through collections and versions. Deleted versions are never seen."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, tuple_

from artifactd.daemon.catalog.reading import check_collection_type, find_collection
from artifactd.daemon.catalog.schema import collections, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE, MAX_PAGE, fitting, to_messages, version_rows
from artifactd.protocol import messages

__all__ = ["clamp", "list_collections", "list_types", "list_versions"]


def clamp(limit: int) -> int:
    """A page's size as it is served: 1 to 1,000."""
    return max(1, min(limit, MAX_PAGE))


def list_versions(connection: Connection, request: messages.GetVersions) -> messages.Versions:
    """A page of one collection, newest first; shorter than asked where the texts are long.

    Raises `ArtifactNotFound` when there is no such collection, `InvalidRequest` when it is of another type.
    """
    collection = find_collection(connection, request.entity, request.project, request.name)
    check_collection_type(collection, request.type)
    here = (versions.c.collection_id == collection.id, IS_LIVE)
    query = version_rows().where(*here)
    total = None
    if request.before is not None:
        query = query.where(versions.c.number < request.before)
    else:
        total = connection.scalar(select(func.count()).select_from(versions).where(*here))
    limit = clamp(request.limit)
    page, more = fitting(connection.execute(query.order_by(versions.c.number.desc()).limit(limit + 1)), limit)
    return messages.Versions(items=to_messages(connection, page), more=more, total=total)


def list_collections(connection: Connection, request: messages.GetCollections) -> messages.Collections:
    """A page of an entity's collections, or of one project's, by (project, name)."""
    live = (versions.c.collection_id == collections.c.id, IS_LIVE)
    newest = select(func.max(versions.c.number)).where(*live).scalar_subquery()
    made = select(versions.c.created_at).where(*live).order_by(versions.c.number.desc()).limit(1).scalar_subquery()
    place = (collections.c.project, collections.c.name)
    filters = [
        column == value
        for column, value in (
            (collections.c.entity, request.entity),
            (collections.c.project, request.project),
            (collections.c.type, request.type),
            (collections.c.name, request.name),
        )
        if value is not None
    ]
    query = select(
        *collections.c["entity", "project", "name", "type"],
        select(func.count()).select_from(versions).where(*live).scalar_subquery().label("versions"),
        newest.label("newest"),
        func.coalesce(made, collections.c.created_at).label("updated_at"),
    ).where(*filters)
    total = None
    if request.after is not None:
        query = query.where(tuple_(*place) > tuple_(*request.after))
    else:
        total = connection.scalar(select(func.count()).select_from(collections).where(*filters))
    limit = clamp(request.limit)
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
    return messages.Collections(items=items, more=len(rows) > limit, total=total)


def list_types(connection: Connection, request: messages.GetTypes) -> messages.Types:
    """The types of one project's collections, by name: 1,000 at most."""
    names = connection.scalars(
        select(collections.c.type)
        .where(collections.c.entity == request.entity, collections.c.project == request.project)
        .distinct()
        .order_by(collections.c.type)
        .limit(MAX_PAGE)
    )
    return messages.Types(names=tuple(names))
