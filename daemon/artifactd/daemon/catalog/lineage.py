"""Runs, and which versions they logged and used: the graph, read in both directions, page by page."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select, tuple_

from artifactd.daemon.catalog.filtering import condition
from artifactd.daemon.catalog.listing import clamp
from artifactd.daemon.catalog.reading import no_such_version
from artifactd.daemon.catalog.schema import collections, run_inputs, run_outputs, runs, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE, fitting, in_collection, to_messages, version_rows
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.run_filters import read

__all__ = ["find_run", "list_run_versions", "list_runs", "list_users"]

_RUNS = select(runs).select_from(runs)
_ROLES = {"logged": run_outputs, "used": run_inputs}


def find_run(connection: Connection, entity: str, project: str, id: str) -> messages.RunRecord:
    """One run. Raises `ArtifactNotFound`."""
    row = connection.execute(
        select(runs).where(runs.c.entity == entity, runs.c.project == project, runs.c.id == id)
    ).one_or_none()
    if row is None:
        raise ArtifactNotFound("no such run", subject=f"{entity}/{project}/{id}", remedy="see Api().runs()")
    return _record(row)


def list_runs(connection: Connection, request: messages.GetRuns) -> messages.Runs:
    """A page of one project's runs that match the filter, by (start, id). Raises `InvalidRequest` for that."""
    query = _RUNS.where(runs.c.entity == request.entity, runs.c.project == request.project)
    if request.filter is not None:
        query = query.where(condition(connection, read(request.filter)))
    place = tuple_(runs.c.started_at, runs.c.id)
    if request.newest_first:
        ordered = query.order_by(runs.c.started_at.desc(), runs.c.id.desc())
        after = None if request.after is None else place < tuple_(*request.after)
    else:
        ordered = query.order_by(runs.c.started_at, runs.c.id)
        after = None if request.after is None else place > tuple_(*request.after)
    return _page(connection, ordered, after, request.limit)


def list_users(connection: Connection, request: messages.GetUsers) -> messages.Runs:
    """A page of the runs that used a version or a link to it, by (start, entity, project, id).

    Raises `ArtifactNotFound` when there is no such version.
    """
    version = connection.execute(
        version_rows().where(
            in_collection(request.entity, request.project, request.name),
            versions.c.number == request.version,
            IS_LIVE,
        )
    ).one_or_none()
    if version is None:
        raise no_such_version(connection, request.entity, request.project, request.name, f"v{request.version}")
    place = (runs.c.started_at, runs.c.entity, runs.c.project, runs.c.id)
    query = (
        _RUNS.join(run_inputs)
        .where(
            run_inputs.c.collection_id == version.about_collection_id,
            run_inputs.c.number == version.about_number,
        )
        .order_by(*place)
    )
    after = None if request.after is None else tuple_(*place) > tuple_(*request.after)
    return _page(connection, query, after, request.limit)


def list_run_versions(connection: Connection, request: messages.GetRunVersions) -> messages.Versions:
    """A page of the versions that a run logged or used, oldest collection first, then by number.

    Raises `InvalidRequest` for an unknown role.
    """
    edges = _ROLES.get(request.role)
    if edges is None:
        raise InvalidRequest(f"a run has no versions as {request.role!r}", remedy=f"use {' or '.join(_ROLES)}")
    query = (
        version_rows()
        .join(edges, and_(edges.c.collection_id == versions.c.collection_id, edges.c.number == versions.c.number))
        .where(
            edges.c.entity == request.entity,
            edges.c.project == request.project,
            edges.c.run == request.run,
            IS_LIVE,
        )
    )
    total = None
    if request.after is None:
        total = _count(connection, query)
    else:
        *address, number = request.after
        last = select(collections.c.id).where(in_collection(*address)).scalar_subquery()
        query = query.where(tuple_(edges.c.collection_id, edges.c.number) > tuple_(last, number))
    limit = clamp(request.limit)
    ordered = query.order_by(edges.c.collection_id, edges.c.number).limit(limit + 1)
    page, more = fitting(connection.execute(ordered), limit)
    return messages.Versions(items=to_messages(connection, page), more=more, total=total)


def _page(connection: Connection, query: Select[Any], after: Any, limit: int) -> messages.Runs:
    total = None
    if after is None:
        total = _count(connection, query)
    else:
        query = query.where(after)
    limit = clamp(limit)
    page, more = fitting(connection.execute(query.limit(limit + 1)), limit, texts=["config"])
    return messages.Runs(items=tuple(_record(row) for row in page), more=more, total=total)


def _count(connection: Connection, query: Select[Any]) -> int | None:
    return connection.scalar(query.with_only_columns(func.count()).order_by(None))


def _record(row: Row[Any]) -> messages.RunRecord:
    return messages.RunRecord(
        entity=row.entity,
        project=row.project,
        id=row.id,
        name=row.name,
        job_type=row.job_type,
        group=row.group,
        config=row.config,
        state=row.state,
        host=row.host,
        pid=row.pid,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
