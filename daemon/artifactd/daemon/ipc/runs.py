"""Answering what is said of runs: that one starts, and how it ended. Each may be repeated without harm."""

from __future__ import annotations

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.ipc.access import Peer
from artifactd.daemon.ipc.texts import is_json_object
from artifactd.daemon.queue.run_locks import is_lock_name
from artifactd.protocol import messages, names
from artifactd.protocol.errors import InvalidRequest

__all__ = ["Runs"]

_MAX_TEXT = 1_000
_MAX_CONFIG = 1 << 20


class Runs:
    """One method per request. Raises `InvalidRequest`, and what the catalog refuses."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def start(self, peer: Peer, request: messages.StartRun) -> messages.Done:
        # Its records lie below the entity's prefix in the store.
        names.check_entity(request.entity)
        for value, what in ((request.project, "project"), (request.id, "run id")):
            names.check_scope(value, what)
        texts = (request.name, request.job_type or "", request.group or "", request.host)
        rules = {
            f"its texts have at most {_MAX_TEXT} characters": max(map(len, texts)) <= _MAX_TEXT,
            f"its config is a JSON object of at most {_MAX_CONFIG} bytes": len(request.config) <= _MAX_CONFIG
            and is_json_object(request.config),
            "its lock names a file": request.lock is None or is_lock_name(request.lock),
        }
        for rule, holds in rules.items():
            if not holds:
                raise InvalidRequest(f"run refused: {rule}", subject=request.id)
        await trio.to_thread.run_sync(self._catalog.start_run, peer.uid, request)
        return messages.Done()

    async def finish(self, peer: Peer, request: messages.FinishRun) -> messages.Done:
        await trio.to_thread.run_sync(self._catalog.finish_run, peer.uid, request)
        return messages.Done()
