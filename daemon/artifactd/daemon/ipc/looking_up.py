"""Answering `LookUp`: what a reference stands for, asked before it is logged."""

from __future__ import annotations

from contextlib import aclosing

import trio

from artifactd.daemon.ipc.access import Peer
from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.references import QUICK, References
from artifactd.protocol import messages, names
from artifactd.protocol.errors import ArtifactdError, InvalidRequest
from artifactd.protocol.references import check_uri

__all__ = ["LookUps"]

MAX_OBJECTS = 10_000
"""In one answer, which is one message."""
SECONDS = 50.0


class LookUps:
    """For one client at a time; what is logged is looked up by the pipeline."""

    def __init__(self, references: References) -> None:
        self._references = references

    async def look_up(self, peer: Peer, request: messages.LookUp) -> messages.Resolved:
        """Raises what `References.look_up` does."""
        names.check_scope(request.entity, "entity")
        uri, asker = check_uri(request.uri), Asker(peer.uid, request.entity)
        if not 1 <= request.limit <= MAX_OBJECTS:
            raise InvalidRequest(f"at most {MAX_OBJECTS} objects are looked up at once", subject=uri)
        objects: list[messages.FoundObject] = []
        with trio.move_on_after(SECONDS) as scope:
            async with aclosing(self._references.look_up(uri, request.limit, asker, attempts=QUICK)) as pages:
                async for page in pages:
                    objects += page
        if scope.cancelled_caught:
            raise ArtifactdError(f"its server did not answer within {SECONDS:g} s", subject=uri)
        return messages.Resolved(objects=tuple(objects))
