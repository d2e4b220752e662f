"""`Api`: looking up artifacts, collections and runs without a run of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artifactd.client._addresses import parse_collection, parse_project, parse_run
from artifactd.client._arguments import check_count, check_timeout
from artifactd.client._collections import ArtifactCollection, ArtifactType, collection_in, collections_in
from artifactd.client._defaults import default_client
from artifactd.client._keywords import ignores
from artifactd.client._lineage import ApiRun
from artifactd.client._link import Link
from artifactd.client._logging import Scope, look_up
from artifactd.client._metadata import pack_json
from artifactd.client._paging import Pages
from artifactd.client.artifact import Artifact
from artifactd.client.client import Client
from artifactd.protocol import run_filters
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.messages import GetRun, GetRuns, GetTypes, RunRecord, Runs, Types

__all__ = ["Api"]

_ORDERS = ("+created_at", "created_at", "-created_at")


class Api:
    """Reads the catalog through the daemon of a client. Nothing that is looked up counts as used by a run.

    Paths that leave out entity or project are completed by `overrides` (`{"entity": …, "project": …}`), else as
    the client does. Lists are `Pages`, fetched `per_page` items at a time as far as they are looked at. Every
    method raises `DaemonUnavailable`, and `InvalidRequest` for paths that the rules refuse.

    >>> api = artifactd.Api({"project": "bikes"}, timeout=5.0)
    >>> api.artifact("images:best").version
    'v0'
    """

    @ignores("api_key")
    def __init__(
        self,
        overrides: Mapping[str, str] | None = None,
        timeout: float | None = None,
        *,
        client: Client | None = None,
    ) -> None:
        """`timeout` in seconds instead of the client's; `client` instead of the process's default one."""
        client = client or default_client()
        known = dict(overrides or {})
        self.default_entity: str = known.pop("entity", client.scope.entity)
        self.default_project: str = known.pop("project", client.scope.project)
        if known:
            raise InvalidRequest(f"overrides has {', '.join(known)}", remedy="it takes entity and project")
        self._link = client.link if timeout is None else Link(Path(client.link.socket), check_timeout(timeout))

    def __repr__(self) -> str:
        return f"<Api {self.default_entity}/{self.default_project} at {self._link.socket}>"

    def artifact(self, name: str, type: str | None = None) -> Artifact:
        """The version at the address `[[entity/]project/]name[:alias]`.

        Raises `ArtifactNotFound` naming what exists, `InvalidRequest` if it is not of `type`.

        >>> api.artifact("bikes/images:best", type="dataset").name
        'images:v0'
        """
        scope = Scope(self.default_entity, self.default_project)
        return Artifact._committed(look_up(self._link, scope, name, type), self._link)

    def artifact_exists(self, name: str, type: str | None = None) -> bool:
        """Whether there is such a version, of `type` if given.

        >>> api.artifact_exists("images:v0"), api.artifact_exists("images:v1")
        (True, False)
        """
        try:
            found = self.artifact(name)
        except ArtifactNotFound:
            return False
        return type is None or found.type == type

    def artifacts(self, type_name: str, name: str, per_page: int = 100) -> Pages[Artifact]:
        """The versions of a collection, newest first.

        Looking at them raises `ArtifactNotFound` if there is no such collection, `InvalidRequest` if it is of
        another type.

        >>> [version.name for version in api.artifacts("dataset", "images")]
        ['images:v0']
        """
        place = parse_collection(name, **self._defaults)
        collection = ArtifactCollection(place.entity, place.project, place.name, type_name, self._link)
        return collection.artifacts(per_page)

    def artifact_versions(self, type_name: str, name: str, per_page: int = 100) -> Pages[Artifact]:
        """The same as `artifacts`.

        >>> for version in api.artifact_versions("dataset", "images"):
        ...     if not version.aliases:
        ...         version.delete()
        """
        return self.artifacts(type_name, name, per_page)

    def artifact_types(self, project: str | None = None) -> list[ArtifactType]:
        """The types of artifacts in `[entity/]project`, by name.

        >>> [found.name for found in api.artifact_types("bikes")]
        ['dataset']
        """
        entity, project = parse_project(project, **self._defaults)
        names = self._link.request(GetTypes(entity=entity, project=project), Types).names
        return [ArtifactType(entity, project, name, self._link) for name in names]

    def artifact_type(self, type_name: str, project: str | None = None) -> ArtifactType:
        """One type of `[entity/]project`. Raises `ArtifactNotFound`.

        >>> [collection.name for collection in api.artifact_type("dataset").collections()]
        ['images']
        """
        types = self.artifact_types(project)
        for found in types:
            if found.name == type_name:
                return found
        raise ArtifactNotFound(
            "no artifact has this type",
            subject=type_name,
            remedy=f"there are {', '.join(type.name for type in types) or 'no artifacts'}",
        )

    def artifact_collections(
        self, project_name: str, type_name: str | None = None, per_page: int = 100
    ) -> Pages[ArtifactCollection]:
        """The collections of a type in `[entity/]project`, by name.

        With one argument that is the type, in the default project.

        >>> [collection.name for collection in api.artifact_collections("bikes", "dataset")]
        ['images']
        """
        project, type = (None, project_name) if type_name is None else (project_name, type_name)
        return collections_in(self._link, *parse_project(project, **self._defaults), type, per_page=per_page)

    def artifact_collection(self, type_name: str, name: str) -> ArtifactCollection:
        """One collection. Raises `ArtifactNotFound`, also if it is of another type.

        >>> len(api.artifact_collection("dataset", "bikes/images").artifacts())
        1
        """
        place = parse_collection(name, **self._defaults)
        return collection_in(self._link, place.entity, place.project, type_name, place.name)

    def artifact_collection_exists(self, name: str, type: str) -> bool:
        """Whether there is such a collection of `type`.

        >>> api.artifact_collection_exists("images", "model")
        False
        """
        place = parse_collection(name, **self._defaults)
        return len(collections_in(self._link, place.entity, place.project, type, place.name)) > 0

    def run(self, path: str) -> ApiRun:
        """One run, by `[[entity/]project/]id`. Raises `ArtifactNotFound`.

        >>> api.run(f"bikes/{run.id}").state
        'running'
        """
        entity, project, id = parse_run(path, **self._defaults)
        return ApiRun(self._link.request(GetRun(entity=entity, project=project, id=id), RunRecord), self._link)

    def runs(
        self,
        path: str | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str = "+created_at",
        per_page: int = 100,
    ) -> Pages[ApiRun]:
        """The runs of `[entity/]project`, oldest first, or newest first with `order="-created_at"`.

        `filters` are in MongoDB's words, as far as they are these: the fields `state`, `job_type`, `group`,
        `display_name`, `created_at` (Unix seconds or ISO 8601) and `config.<key>`, with a value to equal or with
        `$eq`, `$ne`, `$in`, `$nin`, `$exists`, `$not`, and for numbers and times `$gt`, `$gte`, `$lt`, `$lte`;
        all of them together, or joined by `$and`, `$or`, `$nor`. Raises `InvalidRequest`, naming what is not
        among these.

        >>> [found.job_type for found in api.runs("bikes", {"state": "running", "config.lr": None})]
        ['train']
        """
        per_page = check_count(per_page, "per_page")
        entity, project = parse_project(path, **self._defaults)
        wanted = None
        if filters:
            wanted = pack_json(filters, "filters")
            run_filters.read(wanted)
            self._link.require("run_filters")
        if order not in _ORDERS:
            raise InvalidRequest(f"order {order!r} is not known", remedy="use '+created_at' or '-created_at'")

        def page(last: RunRecord | None) -> Runs:
            request = GetRuns(
                entity=entity,
                project=project,
                newest_first=order.startswith("-"),
                after=None if last is None else (last.started_at, last.id),
                limit=per_page,
                filter=wanted,
            )
            return self._link.request(request, Runs)

        return Pages(page, lambda record: ApiRun(record, self._link))

    @property
    def _defaults(self) -> dict[str, str]:
        return {"entity": self.default_entity, "project": self.default_project}
