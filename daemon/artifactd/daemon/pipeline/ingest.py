"""The pool that processes accepted submissions, in the scheduler's order, many at the same time."""

from __future__ import annotations

import time

import trio

from artifactd.daemon.pipeline.membership import Membership
from artifactd.daemon.pipeline.work import Tools, Work
from artifactd.daemon.queue.ending import Ending
from artifactd.daemon.queue.submissions import Submission
from artifactd.protocol.errors import ArtifactdError, ArtifactFailed

__all__ = ["Ingest"]


class Ingest:
    """Processes up to `submissions` at the same time; those that cannot become ready fail."""

    def __init__(self, tools: Tools, ending: Ending, membership: Membership, submissions: int) -> None:
        self._tools = tools
        self._membership = membership
        self._ending = ending
        self._slots = trio.Semaphore(submissions)
        self._taking = trio.CancelScope()
        self.drained = trio.Event()
        """Set once no more is taken and what was taken has ended or is ready."""

    def stop(self) -> None:
        """Take no more; what was taken is finished. See `drained`."""
        self._taking.cancel()

    async def run(self) -> None:
        """Take work until `stop` is called."""
        async with trio.open_nursery() as nursery:
            with self._taking:
                while True:
                    await self._slots.acquire()
                    nursery.start_soon(self._process, await self._tools.queue.next_to_process())
        self.drained.set()

    async def _process(self, submission: Submission) -> None:
        failure: ArtifactdError | None = None
        submission.started_at = time.monotonic()
        submission.began = self._membership.epoch
        with trio.CancelScope() as submission.scope:
            try:
                # Between being taken and this line it may have been dropped, with one that it was logged after.
                if self._tools.queue.holds(submission):
                    await Work(submission, self._tools).run()
            except ArtifactdError as error:
                failure = error
            except OSError as error:
                failure = ArtifactFailed(f"it could not be processed: {error.strerror or error}")
        self._slots.release()
        if failure is not None:
            await self._ending.failed((submission, failure))
