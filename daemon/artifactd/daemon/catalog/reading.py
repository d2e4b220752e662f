"""Looking one collection or version up. Deleted versions are never seen."""

from __future__ import annotations

import difflib
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from artifactd.daemon.catalog.schema import aliases, collections, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE, in_collection, to_messages, version_rows
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.names import version_number

__all__ = ["check_collection_type", "find_collection", "find_version", "no_such_version"]

_MAX_NAMES = 1_000
_MAX_HINTS = 10


def find_collection(connection: Connection, entity: str, project: str, name: str) -> Row[Any]:
    """The row of a collection. Raises `ArtifactNotFound`, naming collections of the project with a like name."""
    row = connection.execute(select(collections).where(in_collection(entity, project, name))).one_or_none()
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
    connection: Connection, entity: str, project: str, name: str, alias: str, type: str | None = None
) -> messages.Version:
    """The version that `alias`, or `v<number>`, names.

    Raises `ArtifactNotFound`, naming what exists; `InvalidRequest` when the collection is not of `type`.
    """
    query = version_rows().where(in_collection(entity, project, name), IS_LIVE)
    number = version_number(alias)
    if number is None:
        pointing = and_(aliases.c.collection_id == versions.c.collection_id, aliases.c.number == versions.c.number)
        query = query.join(aliases, pointing).where(aliases.c.name == alias)
    else:
        query = query.where(versions.c.number == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        check_collection_type(find_collection(connection, entity, project, name), type)
        raise no_such_version(connection, entity, project, name, alias)
    check_collection_type(row, type)
    return to_messages(connection, [row])[0]


def check_collection_type(collection: Row[Any], type: str | None) -> None:
    """Raise `InvalidRequest` if a `type` is asked for and the collection has another."""
    if type is not None and type != collection.type:
        raise InvalidRequest(
            f"the artifact has type {collection.type!r}, not {type!r}",
            subject=f"{collection.entity}/{collection.project}/{collection.name}",
        )


def no_such_version(connection: Connection, entity: str, project: str, name: str, alias: str) -> ArtifactNotFound:
    """The error for a version that was deleted or never was; it names those that exist.

    Raises `ArtifactNotFound` if the collection does not exist either.
    """
    collection_id = find_collection(connection, entity, project, name).id
    deleted = connection.scalar(
        select(versions.c.deleted_at).where(
            versions.c.collection_id == collection_id, versions.c.number == version_number(alias)
        )
    )
    return ArtifactNotFound(
        "no such version" if deleted is None else "the version was deleted",
        subject=f"{entity}/{project}/{name}:{alias}",
        remedy=_existing(connection, collection_id),
    )


def _existing(connection: Connection, collection_id: int) -> str:
    newest = connection.scalar(
        select(func.max(versions.c.number)).where(versions.c.collection_id == collection_id, IS_LIVE)
    )
    if newest is None:
        return "it has no versions"
    names = connection.scalars(
        select(aliases.c.name)
        .join_from(aliases, versions)
        .where(aliases.c.collection_id == collection_id, IS_LIVE)
        .order_by(aliases.c.name)
        .limit(_MAX_HINTS)
    ).all()
    return f"it has {', '.join((*names, f'versions up to v{newest}'))}"
