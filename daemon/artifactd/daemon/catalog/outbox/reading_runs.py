"""The present state of a run, as a record."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from artifactd.daemon.catalog.outbox.forms import FORMAT, RunRecord, VersionAddress
from artifactd.daemon.catalog.schema import collections, run_inputs, runs

__all__ = ["read_run", "run_size"]

INPUT_SIZE = 100
"""Bytes of a version's address, as a rule."""


def run_size(connection: Connection, address: Sequence[str]) -> int:
    """About as many bytes has the record of the run (entity, project, id)."""
    entity, project, id = address
    used = (
        select(func.count())
        .where(run_inputs.c.entity == entity, run_inputs.c.project == project, run_inputs.c.run == id)
        .scalar_subquery()
    )
    return (
        connection.scalar(
            select(func.length(runs.c.config) + used * INPUT_SIZE).where(
                runs.c.entity == entity, runs.c.project == project, runs.c.id == id
            )
        )
        or 0
    )


def read_run(connection: Connection, address: Sequence[str]) -> RunRecord | None:
    """The run (entity, project, id) with all that it used; None if there is none."""
    entity, project, id = address
    row = connection.execute(
        select(runs).where(runs.c.entity == entity, runs.c.project == project, runs.c.id == id)
    ).one_or_none()
    if row is None:
        return None
    used = connection.execute(
        select(*collections.c["entity", "project", "name"], run_inputs.c.number)
        .join_from(run_inputs, collections, collections.c.id == run_inputs.c.collection_id)
        .where(run_inputs.c.entity == entity, run_inputs.c.project == project, run_inputs.c.run == id)
        .order_by(run_inputs.c.collection_id, run_inputs.c.number)
    )
    return RunRecord(
        format=FORMAT,
        entity=entity,
        project=project,
        name=id,
        uid=row.uid,
        title=row.name,
        job_type=row.job_type,
        group=row.group,
        config=row.config,
        host=row.host,
        pid=row.pid,
        lock=row.lock,
        state=row.state,
        started_at=row.started_at,
        ended_at=row.ended_at,
        inputs=tuple(VersionAddress(row.entity, row.project, row.name, row.number) for row in used),
        pages=(),
    )
