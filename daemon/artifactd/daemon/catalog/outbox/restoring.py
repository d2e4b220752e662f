"""Writing what records say into an empty catalog, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from artifactd.daemon.catalog.dialect import insert
from artifactd.daemon.catalog.draft_states import DraftState
from artifactd.daemon.catalog.outbox.forms import (
    Alias,
    CollectionRecord,
    CommitForm,
    DraftForm,
    RunRecord,
    VersionForm,
)
from artifactd.daemon.catalog.schema import (
    aliases,
    collections,
    commits,
    draft_parts,
    drafts,
    run_inputs,
    run_outputs,
    runs,
    tags,
    versions,
)

__all__ = [
    "add_aliases",
    "add_collection",
    "add_commits",
    "add_inputs",
    "add_run",
    "add_versions",
    "known_versions",
]


def add_collection(connection: Connection, id: int, record: CollectionRecord, next_version: int) -> None:
    """The head of a collection, without its aliases."""
    connection.execute(
        collections.insert(),
        {
            "id": id,
            "entity": record.entity,
            "project": record.project,
            "name": record.name,
            "type": record.type,
            "next_version": next_version,
            "created_at": record.created_at,
            "revision": record.revision,
            "ttl": record.ttl,
            "keep_last": record.keep_last,
            "keep_aliased": record.keep_aliased,
        },
    )


def add_versions(connection: Connection, id: int, record: CollectionRecord, forms: Sequence[VersionForm]) -> None:
    """Versions that are not there yet, with what belongs to them; the sources of links come later."""
    place = {"entity": record.entity, "project": record.project}
    _insert(connection, versions, [_version_row(id, form) for form in forms])
    _insert(
        connection,
        tags,
        [{"collection_id": id, "number": form.number, "name": tag} for form in forms for tag in form.tags],
    )
    _insert(
        connection,
        run_outputs,
        [
            place | {"run": run, "collection_id": id, "number": form.number}
            for form in forms
            for run in form.outputs
        ],
    )
    for form in forms:
        for draft in form.drafts:
            _add_draft(connection, place | {"name": record.name}, form.number, draft)


def add_commits(connection: Connection, id: int, forms: Iterable[CommitForm]) -> None:
    """Commits of versions that are there; one that is there already stays as it is."""
    rows = [
        {
            "uid": form.uid,
            "submission_id": form.submission_id,
            "body_hash": form.body_hash,
            "collection_id": id,
            "number": form.number,
            "created": form.created,
            "warning": form.warning,
        }
        for form in forms
    ]
    if rows:
        connection.execute(insert(connection, commits).on_conflict_do_nothing(), rows)


def add_aliases(connection: Connection, id: int, forms: Iterable[Alias]) -> None:
    """Aliases of versions that are there."""
    rows = [
        {"collection_id": id, "name": form.name, "number": form.number, "revision": form.revision}
        for form in forms
    ]
    _insert(connection, aliases, rows)


def add_run(connection: Connection, record: RunRecord) -> None:
    """A run, without what it used."""
    connection.execute(
        runs.insert(),
        {
            "entity": record.entity,
            "project": record.project,
            "id": record.name,
            "uid": record.uid,
            "name": record.title,
            "job_type": record.job_type,
            "group": record.group,
            "config": record.config,
            "host": record.host,
            "pid": record.pid,
            "lock": record.lock,
            "state": record.state,
            "started_at": record.started_at,
            "ended_at": record.ended_at,
        },
    )


def add_inputs(connection: Connection, record: RunRecord, used: Iterable[tuple[int, int]]) -> None:
    """What a run that is there used: versions that are there, by collection id and number."""
    run = {"entity": record.entity, "project": record.project, "run": record.name}
    _insert(connection, run_inputs, [run | {"collection_id": id, "number": number} for id, number in used])


def known_versions(connection: Connection, wanted: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of these versions, by collection id and number, are there."""
    found: set[tuple[int, int]] = set()
    for id in {id for id, _ in wanted}:
        numbers = connection.scalars(
            select(versions.c.number).where(
                versions.c.collection_id == id,
                versions.c.number.in_({number for of, number in wanted if of == id}),
            )
        )
        found |= {(id, number) for number in numbers}
    return found


def _version_row(id: int, form: VersionForm) -> dict[str, Any]:
    return {
        "collection_id": id,
        "number": form.number,
        "digest": form.digest,
        "files": form.files,
        "size": form.size,
        "description": form.description,
        "metadata": form.metadata,
        "run": form.run,
        "created_at": form.created_at,
        "deleted_at": form.deleted_at,
        "ttl": form.ttl,
    }


def _add_draft(connection: Connection, address: dict[str, str], number: int, draft: DraftForm) -> None:
    made = connection.execute(
        drafts.insert().values(
            **address,
            distributed_id=draft.distributed_id,
            type=draft.type,
            state=DraftState.FINISHED,
            touched_at=draft.touched_at,
            number=number,
        )
    )
    key = made.inserted_primary_key
    assert key is not None
    _insert(
        connection,
        draft_parts,
        [
            {
                "draft_id": key.id,
                "uid": part.uid,
                "submission_id": part.submission_id,
                "body_hash": part.body_hash,
                "writer": part.writer,
                "run": part.run,
                "finishes": part.finishes,
                "aliases": "[]",
                "tags": "[]",
                "metadata": "{}",
                "ttl": part.ttl,
            }
            for part in draft.parts
        ],
    )


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), rows)
