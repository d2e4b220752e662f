"""Submitting artifacts and looking versions up, for a client or on behalf of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from artifactd.client._arguments import as_path, check_count, check_text, wrong
from artifactd.client._connection import next_in_lane, now
from artifactd.client._link import Link
from artifactd.client.artifact import Artifact
from artifactd.client.handle import LogHandle
from artifactd.protocol import names
from artifactd.protocol.errors import ArtifactFinalizedError, ArtifactNotFound, DaemonUnavailable, InvalidRequest
from artifactd.protocol.messages import Accepted, DraftPart, GetVersion, Submit, Version

__all__ = ["Scope", "as_name", "log", "look_up", "use"]

_MAX_PRIORITY = 1_000_000
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\-]")


class Scope(NamedTuple):
    """Where a call takes place: what completes an address, and the id of the run that makes it."""

    entity: str
    project: str
    run: str | None = None


def log(
    link: Link,
    scope: Scope,
    artifact_or_path: Artifact | str | os.PathLike[str],
    name: str | None = None,
    type: str | None = None,
    aliases: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    *,
    after: LogHandle | None = None,
    priority: int = 0,
    part: DraftPart | None = None,
    reuse: bool = False,
) -> LogHandle:
    """See `Client.log_artifact`. With `part`, as a part of a draft: see `_parallel`.

    With `reuse`, any version with the same contents will do, and `latest` stays.
    """
    if after is not None and not isinstance(after, LogHandle):
        raise wrong("after", "a handle", after, "pass what log_artifact returned")
    priority = check_count(priority, "priority", -_MAX_PRIORITY, _MAX_PRIORITY)
    checked_aliases = names.check_aliases(aliases)
    checked_tags = names.check_tags(tags)
    artifact = _as_artifact(link, artifact_or_path, name, type)
    if artifact._handle is not None:
        if part != artifact._part:
            raise ArtifactFinalizedError(
                "the artifact was logged or upserted already, and not as this", subject=artifact.name
            )
        if part is None and (aliases or tags):
            raise ArtifactFinalizedError(
                "the artifact was logged already: aliases and tags go with the first call", subject=artifact.name
            )
        return artifact._handle
    if reuse:
        link.require("reuse")
    if part is not None:
        link.require("drafts")
        if artifact._wants_base:
            raise InvalidRequest(
                "an incremental artifact continues a version and can't be a part of another", subject=artifact.name
            )
    if artifact._wants_base:
        _add_base(link, scope, artifact)
    for feature in artifact._features:
        link.require(feature)
    base = _base_in(scope, artifact)
    sealed = artifact._seal(link)
    contents = sealed.sealed
    assert contents is not None
    lane, seq = next_in_lane()
    deadline = now() + link.timeout
    message = Submit(
        id=sealed.id,
        lane=lane,
        seq=seq,
        deadline=int(deadline * 1e9),
        entity=scope.entity,
        project=scope.project,
        name=artifact.name,
        type=artifact.type,
        files=sealed.files,
        size=sealed.size,
        aliases=checked_aliases,
        tags=checked_tags,
        description=artifact.description,
        metadata=sealed.metadata,
        run=scope.run,
        after=None if after is None else bytes.fromhex(after.id),
        priority=priority,
        manifest=contents.manifest,
        manifest_file=contents.manifest_file,
        pack=contents.pack,
        ttl=artifact._ttl,
        base=base,
        draft=part,
        reuse=reuse,
    )
    try:
        link.request(message, Accepted, deadline=deadline)
    except DaemonUnavailable as error:
        raise DaemonUnavailable(
            f"{error.message}; the submission was not accepted, and after {link.timeout:g} s it never will be "
            "(unless only the answer was lost: logging the same artifact again tells)",
            subject=artifact.name,
            remedy=error.remedy,
        ) from error
    handle = LogHandle(link, sealed.id, artifact)
    artifact._part = part
    artifact._accepted(handle)
    return handle


def use(
    link: Link,
    scope: Scope,
    address_or_artifact: str | Artifact,
    type: str | None = None,
    aliases: Sequence[str] | None = None,
) -> Artifact:
    """See `Client.use_artifact` and `look_up`."""
    address = address_or_artifact
    if isinstance(address, Artifact):
        if type is not None and type != address.type:
            raise InvalidRequest(f"the artifact has type {address.type!r}, not {type!r}", subject=address.name)
        if address.state == "draft":
            # The run uses it and did not make it: otherwise lineage would lead from the run to itself.
            log(link, scope._replace(run=None), address, aliases=aliases, reuse=True)
            aliases = None
        address = address.wait().qualified_name
    if aliases:
        raise InvalidRequest(
            "aliases go with an artifact that was not logged yet",
            subject=address,
            remedy="append to the version's aliases, then save()",
        )
    return Artifact._committed(look_up(link, scope, address, type), link)


def look_up(link: Link, scope: Scope, address: str, type: str | None = None) -> Version:
    """The version at an address, recorded as input of the scope's run if there is one."""
    parsed = names.Address.parse(address, entity=scope.entity, project=scope.project)
    if type is not None:
        check_text(type, "type")
    request = GetVersion(
        entity=parsed.entity,
        project=parsed.project,
        name=parsed.name,
        alias=parsed.alias,
        type=type,
        run=None if scope.run is None else (scope.entity, scope.project, scope.run),
    )
    return link.request(request, Version)


def _base_in(scope: Scope, artifact: Artifact) -> tuple[str, str, int] | None:
    """The version that the artifact started from, which must be of the scope's entity."""
    if artifact._base is None:
        return None
    version = artifact._base.version
    if version.entity != scope.entity:
        raise InvalidRequest(
            f"it starts from a version of {version.entity!r}: the contents of each entity are stored apart",
            subject=artifact.name,
            remedy="log it to that entity, or add the files anew",
        )
    return version.project, version.name, version.version


def _add_base(link: Link, scope: Scope, artifact: Artifact) -> None:
    """Complete an incremental artifact from the newest version, if there is one."""
    try:
        newest = look_up(link, Scope(scope.entity, scope.project), artifact.name, artifact.type)
    except ArtifactNotFound:
        return
    artifact._continue(Artifact._committed(newest, link))


def as_name(text: str) -> str:
    """`text` with what no name may contain replaced by `-`; `unnamed` if nothing is left."""
    name = _FORBIDDEN.sub("-", text)[: names.MAX_NAME]
    return name if name.strip(".") else "unnamed"


def _as_artifact(
    link: Link, given: Artifact | str | os.PathLike[str], name: str | None, type: str | None
) -> Artifact:
    if isinstance(given, Artifact):
        if (name is not None and name != given.name) or (type is not None and type != given.type):
            raise InvalidRequest("an Artifact has its name and type already", subject=given.name)
        return given
    path = as_path(given, "artifact_or_path")
    if not os.path.exists(path):
        raise InvalidRequest("there is no such file or directory", subject=path)
    artifact = Artifact(name or as_name(os.path.basename(os.path.abspath(path))), type or "unspecified")
    artifact._link = link
    if os.path.isdir(path):
        artifact.add_dir(path)
    else:
        artifact.add_file(path)
    return artifact
