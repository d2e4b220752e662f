"""Answering edits, deletions and links of committed versions. Each may be repeated without harm."""

from __future__ import annotations

import msgspec
import trio
from blake3 import blake3

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.ipc.access import Peer
from artifactd.daemon.ipc.texts import MAX_LABELS, rules_of_texts
from artifactd.protocol import messages, names
from artifactd.protocol.errors import InvalidRequest

__all__ = ["Editing"]

_encode = msgspec.msgpack.encode


class Editing:
    """One method per request. Raises `InvalidRequest`, and what the catalog refuses."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def edit(self, peer: Peer, request: messages.EditVersion) -> messages.Version:
        _check_labels(request.add_aliases, request.add_tags)
        _check_labels(request.remove_aliases, request.remove_tags)
        rules = rules_of_texts(
            request.description[1] if request.description else None,
            request.metadata[1] if request.metadata else "{}",
            request.ttl[1] if request.ttl else None,
        )
        rules["the revision is one that was seen"] = 0 <= request.revision < 1 << 62
        for rule, holds in rules.items():
            if not holds:
                raise InvalidRequest(f"edit refused: {rule}", subject=f"{request.name}:v{request.version}")
        return await trio.to_thread.run_sync(self._catalog.edit, request)

    async def delete(self, peer: Peer, request: messages.DeleteVersion) -> messages.Done:
        await trio.to_thread.run_sync(self._catalog.delete, request)
        return messages.Done()

    async def link(self, peer: Peer, request: messages.LinkVersion) -> messages.Version:
        entity, project, name = request.target
        names.check_scope(entity, "entity")
        names.check_scope(project, "project")
        names.check_artifact_name(name)
        _check_labels(request.aliases, ())
        if len(request.id) != 16:
            raise InvalidRequest("link refused: ids have 16 bytes", subject=name)
        body_hash = blake3(_encode(request)).digest()
        return await trio.to_thread.run_sync(self._catalog.link, peer.uid, request, body_hash)


def _check_labels(aliases: tuple[str, ...], tags: tuple[str, ...]) -> None:
    if len(aliases) + len(tags) > MAX_LABELS:
        raise InvalidRequest(f"at most {MAX_LABELS} aliases and tags at once")
    for alias in aliases:
        names.check_alias(alias)
    for tag in tags:
        names.check_tag(tag)
