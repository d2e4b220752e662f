"""The face that an artifact shows once it is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactd.protocol.errors import ArtifactNotLoggedError
from artifactd.protocol.messages import DraftPart, Version

if TYPE_CHECKING:
    from artifactd.client._collections import ArtifactCollection
    from artifactd.client._lineage import ApiRun
    from artifactd.client._link import Link
    from artifactd.client._paging import Pages
    from artifactd.client.handle import LogHandle

__all__ = ["Versioned"]


class Versioned:
    """What only a committed version has; reading it earlier raises `ArtifactNotLoggedError`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: LogHandle | None = None
        self._version: Version | None = None
        self._link: Link | None = None
        self._part: DraftPart | None = None

    @property
    def name(self) -> str:
        """`name`, and once committed `name:v3`."""
        return f"{self._name}:v{self._version.version}" if self._version else self._name

    @property
    def version(self) -> str:
        """`v3`."""
        return f"v{self._require_version('version')[0].version}"

    @property
    def qualified_name(self) -> str:
        """`entity/project/name:v3`."""
        version, _ = self._require_version("qualified_name")
        return f"{version.entity}/{version.project}/{version.name}:v{version.version}"

    @property
    def entity(self) -> str:
        """Who owns the version."""
        return self._require_version("entity")[0].entity

    @property
    def project(self) -> str:
        """What the version belongs to."""
        return self._require_version("project")[0].project

    @property
    def digest(self) -> str:
        """Of the sorted entries; equal digests are equal contents."""
        return self._require_version("digest")[0].digest

    @property
    def created_at(self) -> float:
        """When the version was committed, in Unix seconds."""
        return self._require_version("created_at")[0].created_at

    @property
    def is_link(self) -> bool:
        """Whether the version was made by `link`: it shows its source."""
        return self._require_version("is_link")[0].source is not None

    @property
    def source_qualified_name(self) -> str:
        """`entity/project/name:v3` of a link's source, or of the version itself if it is no link."""
        version, _ = self._require_version("source_qualified_name")
        if version.source is None:
            return self.qualified_name
        entity, project, name, number = version.source
        return f"{entity}/{project}/{name}:v{number}"

    @property
    def source_name(self) -> str:
        """`name:v3` of the source."""
        return self.source_qualified_name.rpartition("/")[2]

    @property
    def source_entity(self) -> str:
        """Who owns the source."""
        return self.source_qualified_name.split("/")[0]

    @property
    def source_project(self) -> str:
        """What the source belongs to."""
        return self.source_qualified_name.split("/")[1]

    @property
    def source_version(self) -> str:
        """`v3` of the source."""
        return self.source_qualified_name.rpartition(":")[2]

    @property
    def collection(self) -> ArtifactCollection:
        """All versions of the name."""
        return self._collection_of("collection", self.qualified_name)

    @property
    def source_collection(self) -> ArtifactCollection:
        """All versions of the source's name."""
        return self._collection_of("source_collection", self.source_qualified_name)

    def logged_by(self) -> ApiRun | None:
        """The run that made the version; None if it was logged without one.

        >>> artifact.logged_by().job_type
        'train'
        """
        from artifactd.client._lineage import logged_by

        version, link = self._require_version("logged_by")
        return logged_by(link, version)

    def used_by(self, per_page: int = 100) -> Pages[ApiRun]:
        """The runs that used the version or a link to it, by their start; fetched page by page.

        >>> images = run.use_artifact("images:best")
        >>> [consumer.job_type for consumer in artifact.used_by()]
        ['train']
        """
        from artifactd.client._lineage import used_by

        version, link = self._require_version("used_by")
        return used_by(link, version, per_page)

    def _collection_of(self, what: str, qualified_name: str) -> ArtifactCollection:
        from artifactd.client._collections import ArtifactCollection

        version, link = self._require_version(what)
        entity, project, name = qualified_name.rpartition(":")[0].split("/")
        return ArtifactCollection(entity, project, name, version.type, link)

    def _require_version(self, what: str) -> tuple[Version, Link]:
        if self._version is None and self._handle is not None:
            self._handle.resolve()
        draft = self._handle.part_of if self._version is None and self._handle is not None else None
        if draft is not None:
            raise ArtifactNotLoggedError(
                f"{what} is that of a version, and this is only a part of the draft {draft!r}",
                subject=self._name,
                remedy="finish the draft with finish_artifact, and read the version that this makes",
            )
        if self._version is None or self._link is None:
            raise ArtifactNotLoggedError(
                f"{what} is known only once the artifact is committed",
                subject=self._name,
                remedy="log it with log_artifact, then wait()" if self._handle is None else "wait() for it",
            )
        return self._version, self._link
