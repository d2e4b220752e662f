"""The lineage graph, read from either side: a version's runs, and a run's versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from artifactd.client._arguments import check_count
from artifactd.client._paging import Pages
from artifactd.protocol.errors import ArtifactNotFound
from artifactd.protocol.messages import GetRun, GetRunVersions, GetUsers, RunRecord, Runs, Version, Versions

if TYPE_CHECKING:
    from artifactd.client._link import Link
    from artifactd.client.artifact import Artifact

__all__ = ["ApiRun", "RunLineage", "logged_by", "used_by"]


class RunLineage:
    """What a run logged and used."""

    id: str
    entity: str
    project: str
    _link: Link

    def logged_artifacts(self, per_page: int = 100) -> Pages[Artifact]:
        """The versions that the run logged, also those that had equal contents already; paged lazily.

        >>> [logged.name for logged in run.logged_artifacts()]
        ['images:v0']
        """
        return self._versions("logged", per_page)

    def used_artifacts(self, per_page: int = 100) -> Pages[Artifact]:
        """The versions that the run used; of a link its source. Paged lazily.

        >>> images = artifactd.use_artifact("images")
        >>> [used.name for used in run.used_artifacts()]
        ['images:v0']
        """
        return self._versions("used", per_page)

    def _versions(self, role: str, per_page: int) -> Pages[Artifact]:
        from artifactd.client.artifact import Artifact

        per_page = check_count(per_page, "per_page")

        def page(last: Version | None) -> Versions:
            after = None if last is None else (last.entity, last.project, last.name, last.version)
            request = GetRunVersions(
                entity=self.entity, project=self.project, run=self.id, role=role, after=after, limit=per_page
            )
            return self._link.request(request, Versions)

        return Pages(page, lambda version: Artifact._committed(version, self._link))


class ApiRun(RunLineage):
    """A run as the catalog knew it when it was looked up, to read.

    `id`, `name`, `entity`, `project`, `job_type`, `group`, `host` and `pid` say which it is; `config` is a JSON
    object, `state` is `running`, `finished`, `failed` or `crashed`; `created_at`, `started_at` and `ended_at` are
    Unix seconds.

    >>> found = api.run(run.id)
    >>> found.job_type, found.state, found.ended_at
    ('train', 'running', None)
    """

    def __init__(self, record: RunRecord, link: Link) -> None:
        self._link = link
        self.id = record.id
        self.name = record.name
        self.entity = record.entity
        self.project = record.project
        self.job_type = record.job_type
        self.group = record.group
        self.config: dict[str, Any] = json.loads(record.config)
        self.state = record.state
        self.host = record.host
        self.pid = record.pid
        self.created_at = self.started_at = record.started_at
        self.ended_at = record.ended_at

    def __repr__(self) -> str:
        return f"<ApiRun {self.entity}/{self.project}/{self.id} {self.state}>"

    @property
    def path(self) -> list[str]:
        """Entity, project and id."""
        return [self.entity, self.project, self.id]

    @property
    def url(self) -> None:
        """None: there is no page of a run to look at."""
        return None


def logged_by(link: Link, version: Version) -> ApiRun | None:
    """See `Artifact.logged_by`."""
    if version.run is None:
        return None
    entity, project = version.source[:2] if version.source else (version.entity, version.project)
    try:
        return ApiRun(link.request(GetRun(entity=entity, project=project, id=version.run), RunRecord), link)
    except ArtifactNotFound:
        return None


def used_by(link: Link, version: Version, per_page: int = 100) -> Pages[ApiRun]:
    """See `Artifact.used_by`."""
    per_page = check_count(per_page, "per_page")

    def page(last: RunRecord | None) -> Runs:
        after = None if last is None else (last.started_at, last.entity, last.project, last.id)
        request = GetUsers(
            entity=version.entity,
            project=version.project,
            name=version.name,
            version=version.version,
            after=after,
            limit=per_page,
        )
        return link.request(request, Runs)

    return Pages(page, lambda record: ApiRun(record, link))
