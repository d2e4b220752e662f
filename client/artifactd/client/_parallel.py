"""Several writers, one version: parts are upserted into a draft, and somebody finishes it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from artifactd.client._link import Link
from artifactd.client._logging import Scope, log
from artifactd.client.artifact import Artifact
from artifactd.client.handle import LogHandle
from artifactd.protocol.messages import DraftPart
from artifactd.protocol.names import check_scope

__all__ = ["finish", "upsert"]

_Given = Artifact | str | os.PathLike[str]


def upsert(
    link: Link,
    scope: Scope,
    artifact_or_path: _Given,
    distributed_id: str | None,
    name: str | None,
    type: str | None,
    aliases: Sequence[str] | None,
) -> Artifact:
    """See `Client.upsert_artifact`."""
    part = DraftPart(distributed_id=_checked(distributed_id))
    return log(link, scope, artifact_or_path, name, type, aliases, part=part).wait()


def finish(
    link: Link,
    scope: Scope,
    artifact_or_path: _Given,
    distributed_id: str | None,
    name: str | None,
    type: str | None,
    aliases: Sequence[str] | None,
) -> LogHandle:
    """See `Client.finish_artifact`."""
    part = DraftPart(distributed_id=_checked(distributed_id), finish=True)
    return log(link, scope, artifact_or_path, name, type, aliases, part=part)


def _checked(distributed_id: str | None) -> str:
    if distributed_id is None:
        raise TypeError("a distributed_id is needed where there is no run with a group")
    return check_scope(distributed_id, "distributed id")
