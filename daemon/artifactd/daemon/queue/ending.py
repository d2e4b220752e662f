"""How submissions end: the journal first, then the queue and whoever waits, then the spool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from artifactd.daemon.queue import results
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Operation
from artifactd.daemon.queue.operations import Finish
from artifactd.daemon.queue.persist import persist
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactdError, ArtifactFailed
from artifactd.protocol.states import State

__all__ = ["Ending"]

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
        await self._record(ended, State.COMMITTED)
        for submission, result in ended:
            log.info("committed", id=submission.id.hex(), collection=submission.collection, version=result.version)
            self._queue.committed(submission)
            self._discard(submission.id)

    async def settled(self, ended: Sequence[tuple[Submission, messages.Submission]]) -> None:
        """The catalog turned out to have these already, before they were processed again."""
        await self._record(ended, State.COMMITTED)
        for submission, _ in ended:
            self._queue.settle(submission)
            self._discard(submission.id)

    async def refused(self, submission: Submission, error: ArtifactdError) -> None:
        """The catalog refused this one for good after its commit was taken."""
        await self._drop([(submission, error)])

    async def failed(self, *failures: tuple[Submission, ArtifactdError]) -> None:
        """These will never commit, nor will those logged `after` them. Ignores those whose commit was taken."""
        await self._drop([failure for failure in failures if self._queue.droppable(failure[0])])

    async def _drop(self, doomed: Sequence[tuple[Submission, ArtifactdError]]) -> None:
        """Drop these, then those that were logged after them, and so on."""
        while doomed:
            ended = [(victim, results.dropped(victim, State.FAILED, reason)) for victim, reason in doomed]
            await self._record(ended, State.FAILED)
            dependents: list[tuple[Submission, ArtifactdError]] = []
            for victim, reason in doomed:
                # While the journal was written another failure may have dropped it.
                if self._queue.holds(victim):
                    log.warning("failed", id=victim.id.hex(), collection=victim.collection, reason=str(reason))
                    left = self._queue.drop(victim, State.FAILED)
                    dependents += [
                        (dependent, predecessor_failed(victim.id, victim.collection)) for dependent in left
                    ]
            doomed = dependents

    async def _record(self, ended: Sequence[tuple[Submission, messages.Submission]], state: State) -> None:
        finishes = [Finish(submission.position, state, results.write(result)) for submission, result in ended]
        await persist(self._journal, *finishes)


def predecessor_failed(id: bytes, collection: str = "") -> ArtifactFailed:
    """The error of a submission whose predecessor by `after=`, of `collection` if known, was not committed."""
    which = f"a version of {collection} (submission {id.hex()})" if collection else f"the submission {id.hex()}"
    return ArtifactFailed(f"it was logged after {which}, which was not committed")
