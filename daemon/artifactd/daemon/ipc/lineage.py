"""Answering what is asked of runs, and of what they logged and used."""

from __future__ import annotations

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.ipc.access import Peer
from artifactd.protocol import messages

__all__ = ["Lineage"]


class Lineage:
    """One method per request. All raise `ArtifactNotFound` or `InvalidRequest` for what cannot be answered."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def run(self, peer: Peer, request: messages.GetRun) -> messages.RunRecord:
        return await trio.to_thread.run_sync(self._catalog.run, request.entity, request.project, request.id)

    async def runs(self, peer: Peer, request: messages.GetRuns) -> messages.Runs:
        return await trio.to_thread.run_sync(self._catalog.runs, request)

    async def users(self, peer: Peer, request: messages.GetUsers) -> messages.Runs:
        return await trio.to_thread.run_sync(self._catalog.users, request)

    async def run_versions(self, peer: Peer, request: messages.GetRunVersions) -> messages.Versions:
        return await trio.to_thread.run_sync(self._catalog.run_versions, request)
