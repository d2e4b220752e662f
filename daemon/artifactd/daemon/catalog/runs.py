"""Runs and what they used. A run belongs to the uid that started it."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, select

from artifactd.daemon.catalog.dialect import insert
from artifactd.daemon.catalog.merging import fields_of
from artifactd.daemon.catalog.outbox.changes import Change, StreamKind, note_changes
from artifactd.daemon.catalog.schema import run_inputs, runs, versions
from artifactd.daemon.catalog.version_rows import in_collection, version_rows
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactNotFound, Denied, InvalidRequest

__all__ = ["RunEnd", "add_input", "crash_run", "end_run", "put_run"]

_FINAL_STATES = ("finished", "failed")
# Else the number of rows is not kept after an INSERT.
_COUNTED = {"preserve_rowcount": True}
_MAX_CONFIG = 1 << 20
"""Bytes, of what all processes of a run gave together."""


class RunEnd(NamedTuple):
    """How the run ended that was started with `lock`."""

    lock: str
    state: str


def put_run(connection: Connection, uid: int, request: messages.StartRun) -> None:
    """Record a run as running; one that exists is opened again, its start and what `request` leaves out stay.

    Left out are None, and a name that is the id; of the config, the keys that are given replace those recorded.
    A lock is of one process and one start: a request with the run's own lock has been carried out before, and
    must not open again what has ended since. With `config_only` its config is all that changes, ended or not.

    Raises `Denied` for another user's run, `InvalidRequest` for
    configs that are too much together.
    """
    if request.config_only:
        _check_owner(connection, uid, request.entity, request.project, request.id)
        connection.execute(
            runs.update()
            .where(_is(request.entity, request.project, request.id))
            .values(config=_merged_config(connection, request))
        )
        _note(connection, request.entity, request.project, request.id)
        return
    key = {"entity": request.entity, "project": request.project, "id": request.id}
    said = {
        "name": request.name,
        "job_type": request.job_type,
        "group": request.group,
        "config": request.config,
    }
    now = {
        "host": request.host,
        "pid": request.pid,
        "lock": request.lock,
        "state": "running",
        "ended_at": None,
    }
    kept = {
        "name": request.name if request.name != request.id else runs.c.name,
        "job_type": func.coalesce(request.job_type, runs.c.job_type),
        "group": func.coalesce(request.group, runs.c.group),
        "config": _merged_config(connection, request),
    }
    upsert = insert(connection, runs).values(**key, uid=uid, started_at=time.time(), **said, **now)
    allowed = [runs.c.uid == uid]
    if request.lock is not None:
        allowed.append(runs.c.lock.is_distinct_from(request.lock))
    result = connection.execute(
        upsert.on_conflict_do_update(index_elements=list(key), set_=kept | now, where=and_(*allowed)),
        execution_options=_COUNTED,
    )
    if result.rowcount == 0:
        _check_owner(connection, uid, request.entity, request.project, request.id)
    else:
        _note(connection, request.entity, request.project, request.id)


def end_run(connection: Connection, uid: int, request: messages.FinishRun) -> None:
    """Close a run; one that has this state already keeps its end. What its process says outdoes `crashed`.

    Raises `InvalidRequest` for an unknown state, `ArtifactNotFound`, `Denied`.
    """
    if request.state not in _FINAL_STATES:
        raise InvalidRequest(
            f"a run can't end as {request.state!r}", subject=request.id, remedy=f"use {' or '.join(_FINAL_STATES)}"
        )
    _check_owner(connection, uid, request.entity, request.project, request.id)
    ended = connection.execute(
        runs.update()
        .where(_is(request.entity, request.project, request.id), runs.c.state != request.state)
        .values(state=request.state, ended_at=time.time())
    )
    if ended.rowcount:
        _note(connection, request.entity, request.project, request.id)


def crash_run(
    connection: Connection, uid: int, entity: str, project: str, run: str, locks: Collection[str]
) -> RunEnd | None:
    """Close a run as crashed if it still runs, belongs to `uid`, and the last process to start it held one of

    `locks`, which nobody holds any more. Returns how a run with such a lock ended; None if there is none.
    """
    here = and_(_is(entity, project, run), runs.c.uid == uid, runs.c.lock.in_(locks))
    crashed = connection.execute(
        runs.update().where(here, runs.c.state == "running").values(state="crashed", ended_at=time.time())
    )
    if crashed.rowcount:
        _note(connection, entity, project, run)
    row = connection.execute(select(runs.c.lock, runs.c.state).where(here)).one_or_none()
    return None if row is None else RunEnd(row.lock, row.state)


def add_input(
    connection: Connection, uid: int, entity: str, project: str, run: str, version: messages.Version
) -> None:
    """Record that the run used `version`, or the source of a link, once.

    Raises `ArtifactNotFound` for an unknown run or version, `Denied`.
    """
    _check_owner(connection, uid, entity, project, run)
    used = connection.execute(
        version_rows().where(
            in_collection(version.entity, version.project, version.name), versions.c.number == version.version
        )
    ).one_or_none()
    if used is None:
        address = f"{version.entity}/{version.project}/{version.name}:v{version.version}"
        raise ArtifactNotFound("no such version", subject=address)
    added = connection.execute(
        insert(connection, run_inputs).on_conflict_do_nothing(),
        {
            "entity": entity,
            "project": project,
            "run": run,
            "collection_id": used.about_collection_id,
            "number": used.about_number,
        },
        execution_options=_COUNTED,
    )
    if added.rowcount:
        _note(connection, entity, project, run)


def _merged_config(connection: Connection, request: messages.StartRun) -> str:
    known = connection.execute(
        select(runs.c.config).where(_is(request.entity, request.project, request.id)).with_for_update()
    ).scalar_one_or_none()
    if known is None:
        return request.config
    merged = msgspec.json.encode(fields_of(known) | fields_of(request.config))
    if len(merged) > _MAX_CONFIG:
        raise InvalidRequest(f"the run's config would have more than {_MAX_CONFIG} bytes", subject=request.id)
    return merged.decode()


def _is(entity: str, project: str, run: str) -> ColumnElement[bool]:
    return and_(runs.c.entity == entity, runs.c.project == project, runs.c.id == run)


def _note(connection: Connection, entity: str, project: str, run: str) -> None:
    """The run changed; whoever changed it has its row locked since."""
    note_changes(connection, [Change(StreamKind.RUN, entity, project, run)])


def _check_owner(connection: Connection, uid: int, entity: str, project: str, run: str) -> None:
    """Lock the run. Raises `ArtifactNotFound`, and `Denied` where it is not the uid's."""
    query = select(runs.c.uid).where(_is(entity, project, run)).with_for_update()
    owner = connection.execute(query).scalar_one_or_none()
    if owner is None:
        raise ArtifactNotFound("no such run", subject=f"{entity}/{project}/{run}", remedy="start it with init")
    if owner != uid:
        raise _denied(entity, project, run)


def _denied(entity: str, project: str, run: str) -> Denied:
    return Denied(
        "the run belongs to another user", subject=f"{entity}/{project}/{run}", remedy="use another run id"
    )
