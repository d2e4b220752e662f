"""The face that an artifact shows once it is committed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from artifactd.protocol.errors import ArtifactNotLoggedError
from artifactd.protocol.messages import Version

if TYPE_CHECKING:
    from artifactd.client._link import Link
    from artifactd.client.handle import LogHandle

__all__ = ["Versioned"]


class Versioned:
    """What only a committed version has; reading it earlier raises `ArtifactNotLoggedError`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: LogHandle | None = None
        self._version: Version | None = None
        self._link: Link | None = None

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
        return self._require_version("entity")[0].entity

    @property
    def project(self) -> str:
        return self._require_version("project")[0].project

    @property
    def digest(self) -> str:
        """Of the sorted entries; equal digests are equal contents."""
        return self._require_version("digest")[0].digest

    @property
    def aliases(self) -> list[str]:
        """As they were when this object learned of the version."""
        return list(self._require_version("aliases")[0].aliases)

    @property
    def tags(self) -> list[str]:
        return list(self._require_version("tags")[0].tags)

    @property
    def created_at(self) -> float:
        """When the version was committed, in Unix seconds."""
        return self._require_version("created_at")[0].created_at

    def download(self, root: str | os.PathLike[str] | None = None, path_prefix: str | None = None) -> str:
        """Fetch the files into the directory `root` (default `./artifacts/name:vN`); returns `root`.

        Files that are there and intact are not fetched again; the others appear or change atomically, each
        checked against its digest. Nothing outside `root` is written, whatever links it contains. With
        `path_prefix`, only the files whose path starts with it.

        Raises `CorruptDownload`, `InvalidRequest` where a link or a directory is in the way, `OutOfSpace`,
        `DaemonUnavailable`, `ArtifactNotLoggedError`.
        """
        from artifactd.client._download import download

        version, link = self._require_version("download")
        target = os.path.join("artifacts", self.name) if root is None else os.fspath(root)
        download(link, version, target, path_prefix or "")
        return target

    def _require_version(self, what: str) -> tuple[Version, Link]:
        if self._version is None and self._handle is not None:
            self._handle.resolve()
        if self._version is None or self._link is None:
            raise ArtifactNotLoggedError(
                f"{what} is known only once the artifact is committed",
                subject=self._name,
                remedy="log it with log_artifact, then wait()",
            )
        return self._version, self._link
