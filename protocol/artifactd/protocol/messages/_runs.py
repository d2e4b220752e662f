"""Runs and lineage."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FinishRun", "GetRun", "GetRunVersions", "GetRuns", "GetUsers", "RunRecord", "Runs", "StartRun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun:
    """Record a run, or the return of one with the same id. Answered by `Done`.

    A run that returns keeps its name if `name` is its id, its job type and group if they are None, and the keys of
    its config that are not given again.
    """

    id: str
    entity: str
    project: str
    name: str
    job_type: str | None = None
    group: str | None = None
    config: str = "{}"
    """A JSON object as text."""
    host: str = ""
    pid: int = 0
    """For display only."""
    lock: str | None = None
    """Name of the file in `Welcome.runs` that the process keeps locked while the run is open."""
    config_only: bool = False
    """The run was started: only put the keys of `config` into its own. Needs the feature `run_config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRun:
    """Close a run. Answered by `Done`."""

    id: str
    entity: str
    project: str
    state: str = "finished"
    """`"finished"` or `"failed"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRun:
    """Look one run up. Answered by `RunRecord`."""

    entity: str
    project: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the catalog knows it."""

    entity: str
    project: str
    id: str
    name: str
    job_type: str | None
    group: str | None
    config: str
    """A JSON object as text."""
    state: str
    host: str
    pid: int
    started_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRuns:
    """Page through one project's runs by (start, id). Answered by `Runs`."""

    entity: str
    project: str
    filter: str | None = None
    """A JSON object in the words of `run_filters`. Needs the feature `run_filters`."""
    newest_first: bool = False
    after: tuple[float, str] | None = None
    """(started_at, id) of the last one seen."""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUsers:
    """Page through the runs that used a version, by (start, entity, project, id). Answered by `Runs`."""

    entity: str
    project: str
    name: str
    version: int
    after: tuple[float, str, str, str] | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    items: tuple[RunRecord, ...]
    more: bool
    total: int | None = None
    """How many there are on all pages; on the first page only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRunVersions:
    """Page through what a run logged or used, by the age of the collections, then by version.

    Answered by `Versions`.
    """

    entity: str
    project: str
    run: str
    role: str
    """`"logged"` or `"used"`."""
    after: tuple[str, str, str, int] | None = None
    """(entity, project, name, version) of the last one seen."""
    limit: int = 100
