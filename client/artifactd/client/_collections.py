"""Collections and types of artifacts, as `Api` shows them."""

from __future__ import annotations

from artifactd.client._arguments import check_count
from artifactd.client._link import Link
from artifactd.client._paging import Pages
from artifactd.client.artifact import Artifact
from artifactd.protocol.errors import ArtifactNotFound
from artifactd.protocol.messages import Collection, Collections, GetCollections, GetVersions, Version, Versions

__all__ = ["ArtifactCollection", "ArtifactType", "collection_in", "collections_in"]


class ArtifactCollection:
    """All versions of one name. `entity`, `project`, `name` and `type` say which.

    >>> collection = api.artifact_collection("dataset", "images")
    >>> collection.project, collection.name, collection.type
    ('bikes', 'images', 'dataset')
    """

    def __init__(self, entity: str, project: str, name: str, type: str, link: Link) -> None:
        self.entity = entity
        self.project = project
        self.name = name
        self.type = type
        self._link = link

    def __repr__(self) -> str:
        return f"<ArtifactCollection {self.entity}/{self.project}/{self.name} ({self.type})>"

    @property
    def aliases(self) -> list[str]:
        """Of all versions, by the version, newest first; reads every version, each time."""
        return [alias for version in self.artifacts() for alias in version.aliases]

    def artifacts(self, per_page: int = 100) -> Pages[Artifact]:
        """The versions, newest first.

        >>> [version.name for version in api.artifact_collection("dataset", "images").artifacts()]
        ['images:v0']
        """
        per_page = check_count(per_page, "per_page")
        self._link.require("filters")

        def page(last: Version | None) -> Versions:
            request = GetVersions(
                entity=self.entity,
                project=self.project,
                name=self.name,
                before=None if last is None else last.version,
                limit=per_page,
                type=self.type,
            )
            return self._link.request(request, Versions)

        return Pages(page, lambda version: Artifact._committed(version, self._link))

    def versions(self, per_page: int = 100) -> Pages[Artifact]:
        """The same as `artifacts`.

        >>> len(api.artifact_collection("dataset", "images").versions())
        1
        """
        return self.artifacts(per_page)


class ArtifactType:
    """All collections of one project that hold artifacts of one type. `entity`, `project` and `name` say which."""

    def __init__(self, entity: str, project: str, name: str, link: Link) -> None:
        self.entity = entity
        self.project = project
        self.name = name
        self._link = link

    def __repr__(self) -> str:
        return f"<ArtifactType {self.name} of {self.entity}/{self.project}>"

    def collections(self, per_page: int = 100) -> Pages[ArtifactCollection]:
        """Its collections, by name.

        >>> [collection.name for collection in api.artifact_type("dataset").collections()]
        ['images']
        """
        return collections_in(self._link, self.entity, self.project, self.name, per_page=per_page)

    def collection(self, name: str) -> ArtifactCollection:
        """One of its collections. Raises `ArtifactNotFound`.

        >>> api.artifact_type("dataset").collection("images").name
        'images'
        """
        return collection_in(self._link, self.entity, self.project, self.name, name)


def collections_in(
    link: Link, entity: str, project: str, type: str, name: str | None = None, *, per_page: int = 100
) -> Pages[ArtifactCollection]:
    """A project's collections of one type, and of one name if given."""
    per_page = check_count(per_page, "per_page")
    link.require("filters")

    def page(last: Collection | None) -> Collections:
        request = GetCollections(
            entity=entity,
            project=project,
            type=type,
            name=name,
            after=None if last is None else (last.project, last.name),
            limit=per_page,
        )
        return link.request(request, Collections)

    return Pages(page, lambda item: ArtifactCollection(item.entity, item.project, item.name, item.type, link))


def collection_in(link: Link, entity: str, project: str, type: str, name: str) -> ArtifactCollection:
    """One collection of a project. Raises `ArtifactNotFound`, also if it is of another type."""
    found = collections_in(link, entity, project, type, name)
    if not found:
        raise ArtifactNotFound(f"no such collection of type {type!r}", subject=f"{entity}/{project}/{name}")
    return found[0]
