"""Drafts: versions that several writers, on any node, make together. Each change locks the draft first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from artifactd.daemon.catalog.dialect import insert, now
from artifactd.daemon.catalog.draft_rows import add_entries, read_entries
from artifactd.daemon.catalog.draft_states import DraftState, may_become, move
from artifactd.daemon.catalog.merging import Merged, fields_of
from artifactd.daemon.catalog.records import Part
from artifactd.daemon.catalog.schema import collections, draft_entries, draft_parts, drafts
from artifactd.daemon.catalog.version_rows import in_collection
from artifactd.protocol.errors import Conflict, InvalidRequest
from artifactd.protocol.manifest import Entry

__all__ = [
    "drop_contents",
    "expire_draft",
    "merged_parts",
    "page_of_draft",
    "part_keys",
    "put_part",
    "reopen_draft",
]

_Key = tuple[int, bytes]


def put_part(connection: Connection, part: Part, entries: Iterable[Entry], expire: float) -> None:
    """Register a part with its entries, sorted by path, once; one that finishes closes the draft.

    Raises `Conflict` naming path and both writers where another part has other contents, naming the version
    where the draft has ended, and where nobody has come to it for `expire` seconds; `InvalidRequest` for
    another type, an id used for another part, and where the parts together are more than a version can have.
    Then nothing has changed.
    """
    draft = _locked(connection, part)
    known = connection.execute(
        select(draft_parts.c.body_hash).where(_is_part((part.uid, part.id)))
    ).scalar_one_or_none()
    if known is not None:
        if known != part.body_hash:
            raise InvalidRequest(f"the submission id {part.id.hex()} was used before, with other contents")
        return
    _check_open(connection, draft, part, expire)
    part_id = _insert_part(connection, draft.id, part)
    add_entries(connection, draft.id, part_id, part.writer, entries)
    connection.execute(drafts.update().where(drafts.c.id == draft.id).values(touched_at=now(connection)))
    if part.finishes:
        # Refuses what would be too much, while others may still finish with less.
        merged_parts(connection, draft.id)
        move(connection, draft.id, DraftState.CLOSED)


def part_keys(connection: Connection, keys: Sequence[_Key]) -> set[_Key]:
    """Which of these submissions `(uid, id)` are registered as parts."""
    rows = connection.execute(
        select(draft_parts.c.uid, draft_parts.c.submission_id).where(
            draft_parts.c.submission_id.in_([id for _, id in keys])
        )
    )
    return {(uid, id) for uid, id in rows} & set(keys)


def page_of_draft(connection: Connection, key: _Key, after: str) -> list[Entry]:
    """A page of the files of the draft that the submission `key` is a part of; see `read_entries`."""
    draft_id = connection.execute(select(draft_parts.c.draft_id).where(_is_part(key))).scalar_one()
    return read_entries(connection, draft_id, after)


def merged_parts(connection: Connection, draft_id: int) -> Merged:
    """The texts and labels of all parts of a locked draft together."""
    merged = Merged()
    for row in connection.execute(
        select(draft_parts).where(draft_parts.c.draft_id == draft_id).order_by(draft_parts.c.id)
    ):
        merged.add(
            description=row.description,
            ttl=row.ttl,
            aliases=json.loads(row.aliases),
            tags=json.loads(row.tags),
            metadata=row.metadata,
        )
    return merged


def reopen_draft(connection: Connection, key: _Key) -> None:
    """The submission `key` that closed a draft has failed: take its part out, and take others again."""
    part = connection.execute(
        select(draft_parts.c.id, draft_parts.c.draft_id)
        .join(drafts, drafts.c.id == draft_parts.c.draft_id)
        .where(_is_part(key), draft_parts.c.finishes, may_become(DraftState.OPEN))
        .with_for_update()
    ).one_or_none()
    if part is None:
        return
    # Nobody came after it, so what it brought is its own.
    connection.execute(draft_entries.delete().where(draft_entries.c.part_id == part.id))
    connection.execute(draft_parts.delete().where(draft_parts.c.id == part.id))
    move(connection, part.draft_id, DraftState.OPEN)


def expire_draft(connection: Connection, seconds: float) -> str | None:
    """End one draft to which nobody has come for so long; says which, None if there is none."""
    draft = connection.execute(
        select(drafts)
        .where(may_become(DraftState.EXPIRED), drafts.c.touched_at < now(connection) - seconds)
        .order_by(drafts.c.id)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if draft is None:
        return None
    move(connection, draft.id, DraftState.EXPIRED)
    drop_contents(connection, draft.id)
    return _label(draft)


def drop_contents(connection: Connection, draft_id: int) -> None:
    """The draft has ended: forget all of it but who took part."""
    connection.execute(draft_entries.delete().where(draft_entries.c.draft_id == draft_id))
    connection.execute(
        draft_parts.update()
        .where(draft_parts.c.draft_id == draft_id)
        .values(aliases="[]", tags="[]", description=None, metadata="{}")
    )


def _locked(connection: Connection, part: Part) -> Row[Any]:
    address = {"entity": part.entity, "project": part.project, "name": part.name}
    key = {**address, "distributed_id": part.distributed_id}
    connection.execute(
        insert(connection, drafts).on_conflict_do_nothing(),
        {**key, "type": part.type, "state": DraftState.OPEN, "touched_at": now(connection)},
    )
    return connection.execute(select(drafts).filter_by(**key).with_for_update()).one()


def _check_open(connection: Connection, draft: Row[Any], part: Part, expire: float) -> None:
    kind = connection.execute(
        select(collections.c.type).where(in_collection(part.entity, part.project, part.name))
    ).scalar_one_or_none()
    for holder, type in ((_label(draft), draft.type), ("the collection", kind)):
        if type not in (None, part.type):
            raise InvalidRequest(f"{holder} holds artifacts of type {type!r}, not {part.type!r}")
    # Whether it is late must not hang on when somebody last swept.
    late = draft.state == DraftState.OPEN and draft.touched_at < now(connection) - expire
    if draft.state == DraftState.OPEN and not late:
        return
    remedy = "use another distributed_id"
    if draft.state == DraftState.FINISHED:
        raise Conflict(f"{_label(draft)} is finished already: it became v{draft.number}", remedy=remedy)
    if draft.state == DraftState.EXPIRED or late:
        raise Conflict(f"{_label(draft)} has expired, and what was upserted is gone", remedy=remedy)
    closer = connection.execute(
        select(draft_parts.c.writer).where(draft_parts.c.draft_id == draft.id, draft_parts.c.finishes)
    ).scalar_one()
    raise Conflict(f"{_label(draft)} is being finished by {closer}", remedy=remedy)


def _insert_part(connection: Connection, draft_id: int, part: Part) -> int:
    fields_of(part.metadata)
    result = connection.execute(
        draft_parts.insert().values(
            draft_id=draft_id,
            uid=part.uid,
            submission_id=part.id,
            body_hash=part.body_hash,
            writer=part.writer,
            run=part.run,
            finishes=part.finishes,
            aliases=json.dumps(part.aliases),
            tags=json.dumps(part.tags),
            description=part.description,
            metadata=part.metadata,
            ttl=part.ttl,
        )
    )
    key = result.inserted_primary_key
    assert key is not None
    return int(key.id)


def _is_part(key: _Key) -> Any:
    uid, id = key
    return (draft_parts.c.uid == uid) & (draft_parts.c.submission_id == id)


def _label(draft: Row[Any]) -> str:
    return f"the draft {draft.distributed_id!r} of {draft.entity}/{draft.project}/{draft.name}"
