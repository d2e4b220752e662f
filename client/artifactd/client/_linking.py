"""Linking a committed version into another collection."""

from __future__ import annotations

import os
from collections.abc import Sequence

from artifactd.client._addresses import parse_collection
from artifactd.client._link import Link
from artifactd.client.artifact import Artifact
from artifactd.protocol import names
from artifactd.protocol.messages import LinkVersion, Version

__all__ = ["link_version"]


def link_version(
    link: Link, version: Version, target_path: str, aliases: Sequence[str] | None, *, entity: str, project: str
) -> Artifact:
    """See `Artifact.link`; `entity` and `project` complete the path."""
    target = parse_collection(target_path, entity=entity, project=project)
    request = LinkVersion(
        id=os.urandom(16),
        entity=version.entity,
        project=version.project,
        name=version.name,
        version=version.version,
        target=(target.entity, target.project, target.name),
        aliases=names.check_aliases(aliases),
    )
    return Artifact._committed(link.request(request, Version), link)
