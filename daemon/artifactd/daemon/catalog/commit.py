"""The commit transaction: heads become versions, aliases move, and each outcome is recorded for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, select

from artifactd.daemon.catalog.aliases import alias_rows, move_aliases
from artifactd.daemon.catalog.comparing import load_known
from artifactd.daemon.catalog.dialect import insert
from artifactd.daemon.catalog.finishing import lock_drafts
from artifactd.daemon.catalog.folding import CollectionState, fold
from artifactd.daemon.catalog.outbox.changes import Change, StreamKind, note_changes
from artifactd.daemon.catalog.records import CommitRefused, Committed, Head, Outcome
from artifactd.daemon.catalog.schema import collections, commits, run_outputs, tags, versions

__all__ = ["MAX_HEADS", "commit_heads", "recorded_outcomes"]

MAX_HEADS = 1_000
"""Heads of one transaction: their keys fit the variables of one statement."""

_Address = tuple[str, str, str]
_Key = tuple[int, bytes]


def commit_heads(connection: Connection, heads: Sequence[Head]) -> list[Committed | CommitRefused]:
    """Commit at most `MAX_HEADS` heads in order within the caller's transaction; one result for each.

    A head that was committed before gets the recorded outcome and changes nothing. One that comes twice in
    `heads` raises the database's `IntegrityError`, like one that the database can't take: commit each alone.
    """
    closed = lock_drafts(connection, heads)
    # The lock comes before the look-up: a commit of the same head whose outcome we never heard may still run.
    states = _locked(connection, heads)
    outcomes = recorded_outcomes(connection, [(head.uid, head.id) for head in heads])
    load_known(connection, states.values(), heads)
    results: list[Committed | CommitRefused] = []
    fresh: list[tuple[Head, CollectionState, Committed]] = []
    for head in heads:
        outcome = outcomes.get((head.uid, head.id))
        if outcome is not None:
            results.append(_repeated(head, outcome))
            continue
        complete = closed.complete(head)
        if isinstance(complete, CommitRefused):
            results.append(complete)
            continue
        state = states[_address(head)]
        result = fold(state, complete)
        results.append(result)
        if isinstance(result, Committed):
            fresh.append((complete, state, result))
    _write(connection, fresh)
    closed.finish(fresh)
    note_changes(connection, (_change(head, result) for head, _, result in fresh))
    _drop_empty(connection, states)
    return results


def recorded_outcomes(connection: Connection, keys: Sequence[_Key]) -> dict[_Key, Outcome]:
    """The outcomes of those submissions `(uid, id)` that are committed, and maybe of others with such an id."""
    rows = connection.execute(
        select(
            commits.c.uid,
            commits.c.submission_id,
            commits.c.body_hash,
            collections.c.entity,
            collections.c.project,
            collections.c.name,
            collections.c.type,
            commits.c.number,
            versions.c.digest,
            commits.c.created,
            commits.c.warning,
        )
        .join_from(commits, versions)
        .join(collections, collections.c.id == versions.c.collection_id)
        .where(commits.c.submission_id.in_([id for _, id in keys]))
    )
    return {(uid, id): Outcome(*rest) for uid, id, *rest in rows}


def _address(head: Head) -> _Address:
    return head.entity, head.project, head.name


def _repeated(head: Head, outcome: Outcome) -> Committed | CommitRefused:
    if head.body_hash != outcome.body_hash:
        return CommitRefused(f"the submission id {head.id.hex()} was used before, with other contents")
    return Committed(outcome.version, outcome.digest, outcome.created, outcome.warning)


def _locked(connection: Connection, heads: Sequence[Head]) -> dict[_Address, CollectionState]:
    # Everyone creates and locks in the same order: no two transactions ever wait for each other.
    first = {_address(head): head for head in reversed(heads)}
    wanted = sorted(first)
    existing = {_row_address(row) for row in _select(connection, wanted, lock=False)}
    missing = [first[address] for address in wanted if address not in existing]
    if missing:
        connection.execute(
            insert(connection, collections).on_conflict_do_nothing(),
            [
                {
                    "entity": head.entity,
                    "project": head.project,
                    "name": head.name,
                    "type": head.type,
                    "next_version": 0,
                    "created_at": head.accepted_at,
                }
                for head in missing
            ],
        )
    return {
        _row_address(row): CollectionState(row.id, row.type, row.next_version, row.revision)
        for row in _select(connection, wanted, lock=True)
    }


def _select(connection: Connection, wanted: Sequence[_Address], *, lock: bool) -> Iterator[Row[Any]]:
    # One query for each project: no index of SQLite serves `(entity, project, name) IN (VALUES …)`.
    for (entity, project), group in groupby(wanted, key=itemgetter(0, 1)):
        query = (
            select(collections)
            .where(collections.c.entity == entity, collections.c.project == project)
            .where(collections.c.name.in_([name for _, _, name in group]))
            .order_by(collections.c.name)
        )
        yield from connection.execute(query.with_for_update() if lock else query)


def _row_address(row: Row[Any]) -> _Address:
    return row.entity, row.project, row.name


def _write(connection: Connection, fresh: Sequence[tuple[Head, CollectionState, Committed]]) -> None:
    created = [item for item in fresh if item[2].created]
    # A version that is used again without an alias moves nothing.
    touched = {state.id: state for _, state, _ in fresh if state.moved}
    _insert(connection, versions, [_version_row(*item) for item in created])
    if touched:
        connection.execute(
            collections.update().where(collections.c.id == bindparam("collection")),
            [
                {"collection": state.id, "next_version": state.next_version, "revision": state.revision + 1}
                for state in touched.values()
            ],
        )
    _insert(
        connection,
        tags,
        [
            {"collection_id": state.id, "number": result.version, "name": tag}
            for head, state, result in created
            for tag in dict.fromkeys(head.tags)
        ],
    )
    if touched:
        moves = [alias_rows(state.id, state.revision + 1, state.moved) for state in touched.values()]
        move_aliases(connection, chain.from_iterable(moves))
    outputs = [_output_row(*item) for item in fresh if item[0].run is not None]
    if outputs:
        connection.execute(insert(connection, run_outputs).on_conflict_do_nothing(), outputs)
    _insert(connection, commits, [_commit_row(*item) for item in fresh])


def _drop_empty(connection: Connection, states: dict[_Address, CollectionState]) -> None:
    # A refused repetition must not leave a collection behind that would pin the name's type.
    empty = [state.id for state in states.values() if state.next_version == 0]
    if empty:
        connection.execute(collections.delete().where(collections.c.id.in_(empty)))


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _version_row(head: Head, state: CollectionState, result: Committed) -> dict[str, Any]:
    return {
        "collection_id": state.id,
        "number": result.version,
        "digest": head.digest,
        "files": head.files,
        "size": head.size,
        "description": head.description,
        "metadata": head.metadata,
        "run": head.run,
        "created_at": head.accepted_at,
        "ttl": head.ttl,
    }


def _output_row(head: Head, state: CollectionState, result: Committed) -> dict[str, Any]:
    return {
        "entity": head.entity,
        "project": head.project,
        "run": head.run,
        "collection_id": state.id,
        "number": result.version,
    }


def _commit_row(head: Head, state: CollectionState, result: Committed) -> dict[str, Any]:
    return {
        "uid": head.uid,
        "submission_id": head.id,
        "body_hash": head.body_hash,
        "collection_id": state.id,
        "number": result.version,
        "created": result.created,
        "warning": result.warning,
    }


def _change(head: Head, result: Committed) -> Change:
    return Change(StreamKind.COLLECTION, *_address(head), result.version, head.uid, head.id)
