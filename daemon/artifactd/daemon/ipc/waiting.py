"""Answering `Wait`: a long poll on one submission, live or ended."""

from __future__ import annotations

from dataclasses import replace

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.ipc.access import Peer
from artifactd.daemon.queue import results
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.submissions import Queue
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactFailed, ArtifactNotFound
from artifactd.protocol.states import State

__all__ = ["Waiting"]

MAX_POLL_SECONDS = 30.0


class Waiting:
    """Tells a user where one of their submissions stands."""

    def __init__(self, queue: Queue, journal: Journal, catalog: Catalog) -> None:
        self._queue = queue
        self._journal = journal
        self._catalog = catalog

    async def wait(self, peer: Peer, request: messages.Wait) -> messages.Submission:
        """Answer when `until` is reached, when it ended, or after the poll's time. Raises `ArtifactNotFound`."""
        # Not a number is not greater than zero either.
        seconds = min(request.timeout, MAX_POLL_SECONDS) if request.timeout > 0 else 0.0
        with trio.move_on_after(seconds):
            while (live := self._queue.find(peer.uid, request.id)) is not None:
                if request.until == "durable":
                    if live.durable:
                        break
                    self._queue.want_durable()
                self._queue.awaited(live)
                await self._queue.wait_changed(live)
        live = self._queue.find(peer.uid, request.id)
        if live is not None:
            return replace(results.describe(live), waiting_for=self._queue.waits_for(live))
        return await trio.to_thread.run_sync(self._ended, peer.uid, request.id)

    def _ended(self, uid: int, id: bytes) -> messages.Submission:
        row = self._journal.find(uid, id)
        if row is not None and row.result is not None:
            return results.read(row.result)
        outcome = self._catalog.outcome(uid, id)
        if outcome is None and (reason := self._journal.quarantine_reason(uid, id)):
            raise ArtifactFailed(
                f"its journal row was damaged ({reason}) and set aside",
                subject=id.hex(),
                remedy="log it again; its files are still in the spool",
            )
        if outcome is None:
            raise ArtifactNotFound("this daemon knows no such submission of yours", subject=id.hex())
        return messages.Submission(
            id=id,
            state=State.COMMITTED,
            entity=outcome.entity,
            project=outcome.project,
            name=outcome.name,
            type=outcome.type,
            durable=True,
            files=0,
            files_done=0,
            size=0,
            bytes_done=0,
            version=outcome.version,
            digest=outcome.digest,
            warning=outcome.warning,
        )
