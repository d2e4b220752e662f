"""How submissions end: the journal first, then the queue and whoever waits, then the spool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
import trio

from artifactd.daemon.queue import results
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Operation
from artifactd.daemon.queue.operations import Finish
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactdError, ArtifactFailed, OutOfSpace
from artifactd.protocol.states import State

__all__ = ["Ending"]

JOURNAL_RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Ending:
    """Records the ends of submissions. `discard` is told the ids whose spool directories may go."""

    def __init__(
        self, queue: Queue, journal: GroupCommit[Operation, Any], discard: Callable[[bytes], None]
    ) -> None:
        self._queue = queue
        self._journal = journal
        self._discard = discard

    async def committed(self, ended: Sequence[tuple[Submission, messages.Submission]]) -> None:
        """These have versions in the catalog. Returns when the journal knows as well."""
        await self._record(
            [Finish(submission.position, State.COMMITTED, results.write(result)) for submission, result in ended]
        )
        for submission, result in ended:
            log.info("committed", id=submission.id.hex(), collection=submission.collection, version=result.version)
            self._queue.committed(submission)
            self._discard(submission.id)

    async def settled(self, submission: Submission, result: messages.Submission) -> None:
        """The catalog turned out to have this one already, before it was processed again."""
        await self._record([Finish(submission.position, State.COMMITTED, results.write(result))])
        self._queue.settle(submission)
        self._discard(submission.id)

    async def refused(self, submission: Submission, error: ArtifactdError) -> None:
        """The catalog refused this one for good after its commit was taken."""
        await self._drop(submission, error)

    async def failed(self, submission: Submission, error: ArtifactdError) -> None:
        """This one will never commit, nor will those logged `after` it. Ignores one whose commit was taken."""
        if self._queue.droppable(submission):
            await self._drop(submission, error)

    async def _drop(self, submission: Submission, error: ArtifactdError) -> None:
        doomed = [(submission, error)]
        while doomed:
            victim, reason = doomed.pop()
            result = results.dropped(victim, State.FAILED, reason)
            await self._record([Finish(victim.position, State.FAILED, results.write(result))])
            if not self._queue.holds(victim):
                continue
            log.warning("failed", id=victim.id.hex(), collection=victim.collection, reason=str(reason))
            dependents = self._queue.drop(victim, State.FAILED)
            doomed.extend((dependent, predecessor_failed(victim.id)) for dependent in dependents)

    async def _record(self, finishes: Sequence[Finish]) -> None:
        while True:
            try:
                await self._journal.submit(*finishes)
                return
            except OutOfSpace as error:
                log.error("the journal cannot be written", reason=str(error))
                await trio.sleep(JOURNAL_RETRY_SECONDS)


def predecessor_failed(id: bytes) -> ArtifactFailed:
    """The error of a submission whose predecessor by `after=` was not committed."""
    return ArtifactFailed(f"it was logged after {id.hex()}, which was not committed", subject=id.hex())
