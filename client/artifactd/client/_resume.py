"""Whether a run with this id must have been there before, or must not: W&B's `resume`."""

from __future__ import annotations

from artifactd.client._link import Link
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.messages import GetRun, RunRecord

__all__ = ["check_resume"]

_ALWAYS = (None, True, False, "allow", "auto")


def check_resume(link: Link, resume: str | bool | None, entity: str, project: str, id: str | None) -> None:
    """Raise `ArtifactNotFound` for `"must"` and no such run, `InvalidRequest` for `"never"` and one.

    `InvalidRequest` too for `"must"` without an id, and for words that mean nothing.
    """
    if resume in _ALWAYS:
        return
    if resume not in ("must", "never"):
        remedy = 'use "allow", "must" or "never"'
        raise InvalidRequest(f"resume={resume!r} is not understood", subject=id or "", remedy=remedy)
    if id is None:
        if resume == "must":
            raise InvalidRequest('resume="must" needs the id of a run', remedy="pass id=")
        return
    try:
        link.request(GetRun(entity=entity, project=project, id=id), RunRecord)
    except ArtifactNotFound:
        if resume == "must":
            raise
    else:
        if resume == "never":
            raise InvalidRequest("the run exists already", subject=id, remedy='use another id, or resume="allow"')
