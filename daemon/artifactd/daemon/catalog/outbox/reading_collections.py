"""The present state of a collection and of some of its versions, as a record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, select

from artifactd.daemon.catalog.draft_states import DraftState
from artifactd.daemon.catalog.outbox.forms import (
    FORMAT,
    Alias,
    CollectionRecord,
    CommitForm,
    DraftForm,
    PartForm,
    VersionAddress,
    VersionForm,
)
from artifactd.daemon.catalog.schema import (
    aliases,
    collections,
    commits,
    draft_parts,
    drafts,
    links,
    run_outputs,
    tags,
    versions,
)
from artifactd.daemon.catalog.version_rows import in_collection

__all__ = ["collection_sizes", "read_collection"]

ALIAS_SIZE = 50
"""Bytes of an alias, as a rule."""

_Item = TypeVar("_Item")
_Lists = dict[int, list[_Item]]


def collection_sizes(
    connection: Connection, address: Sequence[str], numbers: Collection[int]
) -> dict[int | None, int]:
    """About as many bytes these versions of the collection (entity, project, name) have; under None, its head."""
    texts = func.length(versions.c.metadata) + func.coalesce(func.length(versions.c.description), 0)
    rows = connection.execute(
        select(versions.c.number, texts.label("size"))
        .join_from(collections, versions, versions.c.collection_id == collections.c.id)
        .where(_is(address), versions.c.number.in_(numbers))
    )
    pointing = connection.scalar(
        select(func.count())
        .select_from(collections)
        .join(aliases, aliases.c.collection_id == collections.c.id)
        .where(_is(address))
    )
    return {row.number: row.size for row in rows} | {None: (pointing or 0) * ALIAS_SIZE}


def read_collection(
    connection: Connection,
    address: Sequence[str],
    numbers: Collection[int],
    submissions: Collection[tuple[int, bytes]],
) -> CollectionRecord | None:
    """The head of the collection, the versions `numbers` in full, and the commits of `submissions` `(uid, id)`.

    None if there is no such collection.
    """
    row = connection.execute(select(collections).where(_is(address))).one_or_none()
    if row is None:
        return None
    entity, project, name = address
    pointing = connection.execute(
        select(*aliases.c["name", "number", "revision"])
        .where(aliases.c.collection_id == row.id)
        .order_by(aliases.c.name)
    )
    return CollectionRecord(
        format=FORMAT,
        entity=entity,
        project=project,
        name=name,
        id=row.id,
        type=row.type,
        next_version=row.next_version,
        created_at=row.created_at,
        revision=row.revision,
        ttl=row.ttl,
        keep_last=row.keep_last,
        keep_aliased=row.keep_aliased,
        aliases=tuple(Alias(*alias) for alias in pointing),
        pages=(),
        versions=_versions(connection, row, numbers),
        commits=_commits(connection, submissions),
    )


def _is(address: Sequence[str]) -> Any:
    entity, project, name = address
    return in_collection(entity, project, name)


def _versions(connection: Connection, collection: Row[Any], numbers: Collection[int]) -> tuple[VersionForm, ...]:
    if not numbers:
        return ()
    tags_of = _lists(connection, _labels(tags.c["number", "name"], collection.id, numbers))
    outputs_of = _lists(connection, _labels(run_outputs.c["number", "run"], collection.id, numbers))
    source_of = _sources(connection, collection.id, numbers)
    drafts_of = _drafts(connection, collection, numbers)
    rows = connection.execute(
        select(versions)
        .where(versions.c.collection_id == collection.id, versions.c.number.in_(numbers))
        .order_by(versions.c.number)
    )
    return tuple(
        VersionForm(
            number=row.number,
            digest=row.digest,
            files=row.files,
            size=row.size,
            description=row.description,
            metadata=row.metadata,
            run=row.run,
            created_at=row.created_at,
            deleted_at=row.deleted_at,
            ttl=row.ttl,
            tags=tuple(tags_of.get(row.number, ())),
            source=source_of.get(row.number),
            outputs=tuple(outputs_of.get(row.number, ())),
            drafts=tuple(drafts_of.get(row.number, ())),
        )
        for row in rows
    )


def _labels(columns: Any, collection_id: int, numbers: Collection[int]) -> Select[Any]:
    """Selects number and label of a table that has labels of versions."""
    number, label = columns
    return (
        select(number, label)
        .where(number.table.c.collection_id == collection_id, number.in_(numbers))
        .order_by(number, label)
    )


def _lists(connection: Connection, query: Select[Any]) -> _Lists[str]:
    found: _Lists[str] = {}
    for number, label in connection.execute(query):
        found.setdefault(number, []).append(label)
    return found


def _sources(connection: Connection, collection_id: int, numbers: Collection[int]) -> dict[int, VersionAddress]:
    rows = connection.execute(
        select(links.c.number, *collections.c["entity", "project", "name"], links.c.source_number)
        .join_from(links, collections, collections.c.id == links.c.source_collection_id)
        .where(links.c.collection_id == collection_id, links.c.number.in_(numbers))
    )
    return {number: VersionAddress(*source) for number, *source in rows}


def _drafts(connection: Connection, collection: Row[Any], numbers: Collection[int]) -> _Lists[DraftForm]:
    """What has become these versions, and who took part. Finished drafts never change."""
    parts: _Lists[PartForm] = {}
    here = (
        drafts.c.entity == collection.entity,
        drafts.c.project == collection.project,
        drafts.c.name == collection.name,
        drafts.c.number.in_(numbers),
        drafts.c.state == DraftState.FINISHED,
    )
    for draft_id, *part in connection.execute(
        select(
            draft_parts.c.draft_id,
            *draft_parts.c["uid", "submission_id", "body_hash", "writer", "run", "finishes", "ttl"],
        )
        .join_from(draft_parts, drafts, drafts.c.id == draft_parts.c.draft_id)
        .where(*here)
        .order_by(draft_parts.c.id)
    ):
        parts.setdefault(draft_id, []).append(PartForm(*part))
    found: _Lists[DraftForm] = {}
    for row in connection.execute(select(drafts).where(*here).order_by(drafts.c.id)):
        draft = DraftForm(row.distributed_id, row.type, row.touched_at, tuple(parts.get(row.id, ())))
        found.setdefault(row.number, []).append(draft)
    return found


def _commits(connection: Connection, submissions: Collection[tuple[int, bytes]]) -> tuple[CommitForm, ...]:
    if not submissions:
        return ()
    rows = connection.execute(
        select(*commits.c["uid", "submission_id", "body_hash", "number", "created", "warning"])
        .where(commits.c.submission_id.in_({id for _, id in submissions}))
        .order_by(commits.c.submission_id, commits.c.uid)
    )
    return tuple(CommitForm(*row) for row in rows if (row.uid, row.submission_id) in submissions)
