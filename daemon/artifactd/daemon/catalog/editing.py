"""Editing and deleting committed versions: compare with what the editor saw, then set all or nothing."""

from __future__ import annotations

import time
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection, Row, select

from artifactd.daemon.catalog.aliases import alias_rows, move_aliases
from artifactd.daemon.catalog.dialect import insert
from artifactd.daemon.catalog.outbox.changes import Change, StreamKind, note_changes
from artifactd.daemon.catalog.reading import find_version, no_such_version
from artifactd.daemon.catalog.schema import aliases, collections, tags, versions
from artifactd.daemon.catalog.version_rows import in_collection, version_rows
from artifactd.protocol import messages
from artifactd.protocol.errors import Conflict, InvalidRequest

__all__ = ["delete_version", "edit_version"]


def edit_version(connection: Connection, request: messages.EditVersion) -> messages.Version:
    """Make all changes of `request`, and give the version as it is then.

    A field that has its new value already counts as changed, so repeating an edit is harmless. The texts, ttl
    and tags of a link are its source's. Raises `Conflict` naming the fields that changed since it was read,
    `ArtifactNotFound`.
    """
    row = _locked(connection, request)
    if row.deleted_at is not None:
        raise _missing(connection, request)
    changed, conflicts = _compare(request, row)
    moved, taken = _compare_aliases(connection, request, row)
    if conflicts or taken:
        raise Conflict(
            f"{', '.join(conflicts + taken)} changed after this version was read (by another program, or by an "
            "earlier save of this one); nothing was saved",
            subject=_address(request),
            remedy="look the version up again, then edit and save that",
        )
    _write_texts(connection, request, row, changed)
    if moved:
        revision = row.revision + 1
        connection.execute(
            collections.update().where(collections.c.id == row.collection_id).values(revision=revision)
        )
        move_aliases(connection, alias_rows(row.collection_id, revision, dict.fromkeys(moved, row.number)))
    if request.remove_aliases:
        # One that points elsewhere by now is gone from here, as was asked.
        connection.execute(
            aliases.delete().where(
                aliases.c.collection_id == row.collection_id,
                aliases.c.number == row.number,
                aliases.c.name.in_(request.remove_aliases),
            )
        )
    changes = []
    if moved or request.remove_aliases:
        changes.append(_change(request))
    if changed or request.add_tags or request.remove_tags:
        changes.append(_change_of_source(request, row))
    note_changes(connection, dict.fromkeys(changes))
    return find_version(connection, request.entity, request.project, request.name, f"v{request.version}")


def delete_version(connection: Connection, request: messages.DeleteVersion) -> None:
    """Delete a version, or a link without its source; its number is never used again, no alias is re-pointed.

    Does nothing to one that was deleted before. Raises `InvalidRequest` for one with aliases, unless they go
    with it, and `ArtifactNotFound`.
    """
    row = _locked(connection, request)
    if row.deleted_at is not None:
        return
    pointing = (aliases.c.collection_id == row.collection_id, aliases.c.number == row.number)
    names = connection.scalars(select(aliases.c.name).where(*pointing).order_by(aliases.c.name)).all()
    if names and not request.delete_aliases:
        raise InvalidRequest(
            f"the version has the aliases {', '.join(names)}",
            subject=_address(request),
            remedy="remove them first, or pass delete_aliases=True",
        )
    connection.execute(aliases.delete().where(*pointing))
    connection.execute(
        versions.update()
        .where(versions.c.collection_id == row.collection_id, versions.c.number == row.number)
        .values(deleted_at=time.time())
    )
    note_changes(connection, [_change(request)])


def _locked(connection: Connection, request: messages.EditVersion | messages.DeleteVersion) -> Row[Any]:
    """The version, with its collection locked, and that of its source if it is a link."""
    query = version_rows().where(
        in_collection(request.entity, request.project, request.name), versions.c.number == request.version
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise _missing(connection, request)
    # Which source a link has never changes. In one order, as whoever commits.
    connection.execute(
        select(collections.c.id)
        .where(collections.c.id.in_({row.collection_id, row.about_collection_id}))
        .order_by(*collections.c["entity", "project", "name"])
        .with_for_update()
    ).all()
    return connection.execute(query).one()


def _change(request: messages.EditVersion | messages.DeleteVersion) -> Change:
    return Change(StreamKind.COLLECTION, request.entity, request.project, request.name, request.version)


def _change_of_source(request: messages.EditVersion, row: Row[Any]) -> Change:
    """Where the texts and tags of the version are kept."""
    if row.source_name is None:
        return _change(request)
    source = (row.source_entity, row.source_project, row.source_name)
    return Change(StreamKind.COLLECTION, *source, row.about_number)


def _missing(connection: Connection, request: messages.EditVersion | messages.DeleteVersion) -> Exception:
    return no_such_version(connection, request.entity, request.project, request.name, f"v{request.version}")


def _address(request: messages.EditVersion | messages.DeleteVersion) -> str:
    return f"{request.entity}/{request.project}/{request.name}:v{request.version}"


def _compare(request: messages.EditVersion, row: Row[Any]) -> tuple[dict[str, Any], list[str]]:
    """The columns that change, with their new values, and the names of those in conflict."""
    seen_as: dict[str, Any] = {
        "description": row.description,
        "metadata": blake3(row.metadata.encode()).digest(),
        "ttl": row.ttl,
    }
    changed: dict[str, Any] = {}
    conflicts: list[str] = []
    for field, now in seen_as.items():
        edit = getattr(request, field)
        if edit is None or edit[1] == getattr(row, field):
            continue
        if edit[0] == now:
            changed[field] = edit[1]
        else:
            conflicts.append(field)
    return changed, conflicts


def _compare_aliases(
    connection: Connection, request: messages.EditVersion, row: Row[Any]
) -> tuple[list[str], list[str]]:
    """The aliases that move here, and how those in conflict are named."""
    pointing = {
        name: (number, revision)
        for name, number, revision in connection.execute(
            select(*aliases.c["name", "number", "revision"]).where(
                aliases.c.collection_id == row.collection_id, aliases.c.name.in_(request.add_aliases)
            )
        )
    }
    moved: list[str] = []
    taken: list[str] = []
    for alias in request.add_aliases:
        number, revision = pointing.get(alias, (None, 0))
        if number == row.number:
            continue
        if revision > request.revision:
            taken.append(f"the alias {alias!r} (now at v{number})")
        else:
            moved.append(alias)
    return moved, taken


def _write_texts(
    connection: Connection, request: messages.EditVersion, row: Row[Any], changed: dict[str, Any]
) -> None:
    collection_id, number = row.about_collection_id, row.about_number
    if changed:
        connection.execute(
            versions.update()
            .where(versions.c.collection_id == collection_id, versions.c.number == number)
            .values(**changed)
        )
    if request.add_tags:
        connection.execute(
            insert(connection, tags).on_conflict_do_nothing(),
            [{"collection_id": collection_id, "number": number, "name": tag} for tag in request.add_tags],
        )
    if request.remove_tags:
        here = (tags.c.collection_id == collection_id, tags.c.number == number)
        connection.execute(tags.delete().where(*here, tags.c.name.in_(request.remove_tags)))
