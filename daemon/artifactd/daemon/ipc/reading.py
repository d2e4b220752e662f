"""Answering look-ups from the catalog."""

from __future__ import annotations

from functools import partial

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.ipc.access import Peer
from artifactd.protocol import messages

__all__ = ["Reading"]


class Reading:
    """One method per request. All raise `ArtifactNotFound` or `InvalidRequest` for what cannot be answered."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def version(self, peer: Peer, request: messages.GetVersion) -> messages.Version:
        """Resolve an address; with a run, record the use."""
        version = await trio.to_thread.run_sync(
            partial(
                self._catalog.version,
                request.entity,
                request.project,
                request.name,
                request.alias,
                type=request.type,
            )
        )
        if request.run is not None:
            await trio.to_thread.run_sync(self._catalog.record_use, peer.uid, *request.run, version)
        return version

    async def collections(self, peer: Peer, request: messages.GetCollections) -> messages.Collections:
        return await trio.to_thread.run_sync(self._catalog.collections, request)

    async def versions(self, peer: Peer, request: messages.GetVersions) -> messages.Versions:
        return await trio.to_thread.run_sync(self._catalog.versions, request)

    async def types(self, peer: Peer, request: messages.GetTypes) -> messages.Types:
        return await trio.to_thread.run_sync(self._catalog.types, request)
