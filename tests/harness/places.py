"""Where a daemon's store keeps its objects, and what must not be found there at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from servers.buckets import create_bucket, unfinished_uploads
from servers.process import S3Server

__all__ = ["Place", "directory", "new_bucket", "with_catalog"]


@dataclass(frozen=True, slots=True)
class Place:
    """`settings` are the daemon's environment; `left_behind` names unfinished uploads."""

    settings: Mapping[str, str]
    left_behind: Callable[[], list[str]]


def directory(root: Path) -> Place:
    """A `file://` store below `root`."""

    def left_behind() -> list[str]:
        return [str(path) for path in root.glob(".tmp/*")]

    return Place({"ARTIFACTD_STORE": root.as_uri()}, left_behind)


def new_bucket(server: S3Server, endpoint: str | None = None) -> Place:
    """An empty bucket on `server`, reached through `endpoint` if there is something in between."""
    bucket = create_bucket(server)

    def left_behind() -> list[str]:
        return [f"multipart upload {upload} of {key}" for key, upload in unfinished_uploads(server, bucket)]

    settings = {
        **server.environ,
        "ARTIFACTD_STORE": f"s3://{bucket}/artifacts",
        "ARTIFACTD_STORE__S3__ENDPOINT_URL": endpoint or server.endpoint,
        "ARTIFACTD_STORE__S3__ADDRESSING_STYLE": "path",
    }
    return Place(settings, left_behind)


def with_catalog(place: Place, url: str) -> Place:
    """The same store, with a catalog that daemons share."""
    return replace(place, settings={**place.settings, "ARTIFACTD_CATALOG": url})
