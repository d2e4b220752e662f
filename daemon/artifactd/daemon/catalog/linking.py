"""Linking: a version of one collection that points to a version of another."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Row, select

from artifactd.daemon.catalog.aliases import alias_rows, move_aliases
from artifactd.daemon.catalog.commit import recorded_outcomes
from artifactd.daemon.catalog.dialect import insert
from artifactd.daemon.catalog.folding import LATEST
from artifactd.daemon.catalog.outbox.changes import Change, StreamKind, note_changes
from artifactd.daemon.catalog.reading import check_collection_type, find_version, no_such_version
from artifactd.daemon.catalog.schema import collections, commits, links, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE, in_collection, version_rows
from artifactd.protocol import messages
from artifactd.protocol.errors import Conflict, Denied, InvalidRequest

__all__ = ["link_version"]


def link_version(
    connection: Connection, uid: int, request: messages.LinkVersion, body_hash: bytes
) -> messages.Version:
    """Link a version, or the source of a link, into the target collection, which is made if it is missing.

    `(uid, request.id)` takes effect once; repeating it gives the version of then. Raises `ArtifactNotFound`,
    `Denied` across entities, `Conflict` for an id that was used for something else, and `InvalidRequest` where
    the target holds another type or is the collection of the source.
    """
    if request.target[0] != request.entity:
        raise Denied(
            "a link cannot lead to another entity, whose contents are stored apart",
            subject="/".join(request.target),
            remedy="download the artifact and log it there",
        )
    source = _source(connection, request)
    target = _lock_target(connection, request, source.type)
    if target.id == source.about_collection_id:
        raise InvalidRequest(
            "a version cannot be linked into its own collection", subject="/".join(request.target)
        )
    outcome = recorded_outcomes(connection, [(uid, request.id)]).get((uid, request.id))
    if outcome is None:
        _hold(connection, request, source)
        number = _link(connection, uid, request, body_hash, source, target)
    elif outcome.body_hash == body_hash:
        number = outcome.version
    else:
        raise Conflict(f"the id {request.id.hex()} was used before, for something else")
    return find_version(connection, *request.target, f"v{number}")


def _source(connection: Connection, request: messages.LinkVersion) -> Row[Any]:
    row = connection.execute(
        version_rows().where(
            in_collection(request.entity, request.project, request.name),
            versions.c.number == request.version,
            IS_LIVE,
        )
    ).one_or_none()
    if row is None:
        raise no_such_version(connection, request.entity, request.project, request.name, f"v{request.version}")
    return row


def _hold(connection: Connection, request: messages.LinkVersion, source: Row[Any]) -> None:
    """Nobody deletes the source until the link is there: what it refers to would be nobody's in between."""
    held = connection.execute(
        select(versions.c.number)
        .where(versions.c.collection_id == source.collection_id, versions.c.number == source.number, IS_LIVE)
        .with_for_update(read=True)
    ).one_or_none()
    if held is None:
        raise no_such_version(connection, request.entity, request.project, request.name, f"v{request.version}")


def _lock_target(connection: Connection, request: messages.LinkVersion, type: str) -> Row[Any]:
    entity, project, name = request.target
    connection.execute(
        insert(connection, collections).on_conflict_do_nothing(),
        {
            "entity": entity,
            "project": project,
            "name": name,
            "type": type,
            "next_version": 0,
            "created_at": time.time(),
        },
    )
    row = connection.execute(select(collections).where(in_collection(*request.target)).with_for_update()).one()
    check_collection_type(row, type)
    return row


def _link(
    connection: Connection,
    uid: int,
    request: messages.LinkVersion,
    body_hash: bytes,
    source: Row[Any],
    target: Row[Any],
) -> int:
    number: int | None = connection.scalar(
        select(links.c.number)
        .join(
            versions, (links.c.collection_id == versions.c.collection_id) & (links.c.number == versions.c.number)
        )
        .where(
            links.c.source_collection_id == source.about_collection_id,
            links.c.source_number == source.about_number,
            links.c.collection_id == target.id,
            IS_LIVE,
        )
    )
    created = number is None
    if number is None:
        number = int(target.next_version)
        _insert_link(connection, source, target.id, number)
    revision = target.revision + 1
    connection.execute(
        collections.update()
        .where(collections.c.id == target.id)
        .values(next_version=target.next_version + created, revision=revision)
    )
    move_aliases(connection, alias_rows(target.id, revision, dict.fromkeys((*request.aliases, LATEST), number)))
    connection.execute(
        commits.insert(),
        {
            "uid": uid,
            "submission_id": request.id,
            "body_hash": body_hash,
            "collection_id": target.id,
            "number": number,
            "created": created,
        },
    )
    note_changes(connection, [Change(StreamKind.COLLECTION, *request.target, number, uid, request.id)])
    return number


def _insert_link(connection: Connection, source: Row[Any], collection_id: int, number: int) -> None:
    connection.execute(
        versions.insert(),
        {
            "collection_id": collection_id,
            "number": number,
            "digest": source.digest,
            "files": source.files,
            "size": source.size,
            "metadata": "{}",
            "created_at": time.time(),
        },
    )
    connection.execute(
        links.insert(),
        {
            "collection_id": collection_id,
            "number": number,
            "source_collection_id": source.about_collection_id,
            "source_number": source.about_number,
        },
    )
