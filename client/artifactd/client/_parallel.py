"""Several writers, one version: parts are upserted into a draft, and somebody finishes it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from artifactd.client._link import Link
from artifactd.client._logging import Scope, as_name, log
from artifactd.client.artifact import Artifact
from artifactd.client.handle import LogHandle
from artifactd.protocol.messages import DraftPart
from artifactd.protocol.names import check_scope

__all__ = ["finish", "id_of_group", "upsert"]

_KEPT = 100
"""Letters of a group that stay in the id made from it."""

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


def id_of_group(group: str | None) -> str | None:
    """The distributed id that a group stands for: itself, or where no id may be so, one like it with its hash.

    The same group gives the same id on every node.
    """
    from blake3 import blake3

    if not group:
        return None
    if as_name(group) == group:
        return group
    return f"{as_name(group)[:_KEPT]}-{blake3(group.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _checked(distributed_id: str | None) -> str:
    if distributed_id is None:
        raise TypeError("a distributed_id is needed where there is no run with a group")
    return check_scope(distributed_id, "distributed id")
