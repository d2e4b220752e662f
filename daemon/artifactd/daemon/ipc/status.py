"""Answering `GetStatus`: picks what the user may see; the room `observe` makes the object of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import trio

from artifactd.daemon.ipc.access import Peer
from artifactd.daemon.queue import results
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol import messages
from artifactd.protocol.states import State

__all__ = ["Report", "StatusRequests"]

MAX_ITEMS = 1_000
MAX_FAILURES = 20

Report = Callable[
    [Sequence[tuple[Submission, str | None]], Sequence[messages.Submission], bool, dict[str, int]], dict[str, Any]
]
"""Makes the status object of live submissions with what they wait for, failed ones, whether there are more,
and how many ended by state."""


class StatusRequests:
    """Reads the queue on the trio thread and the journal in another, so that nobody waits for a status."""

    def __init__(self, queue: Queue, journal: Journal, report: Report) -> None:
        self._queue = queue
        self._journal = journal
        self._report = report

    async def status(self, peer: Peer, request: messages.GetStatus) -> messages.StatusSnapshot:
        limit = max(0, min(request.limit, MAX_ITEMS))
        ended = await trio.to_thread.run_sync(self._journal.counts)
        failed = await trio.to_thread.run_sync(self._journal.ended, State.FAILED, min(limit, MAX_FAILURES))
        mine = [submission for submission in islice(self._queue, limit) if submission.uid == peer.uid]
        live = [(submission, self._queue.waits_for(submission)) for submission in mine]
        failures = [results.read(row.result) for row in failed if row.result and row.uid == peer.uid]
        return messages.StatusSnapshot(status=self._report(live, failures, len(self._queue) > limit, ended))
