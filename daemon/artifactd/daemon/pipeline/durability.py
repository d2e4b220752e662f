"""Making accepted submissions survive a power cut, in the background: sync their files, then say so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
import trio

from artifactd.daemon.queue.filesystems import sync_filesystem
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Journal, Operation
from artifactd.daemon.queue.operations import MarkDurable
from artifactd.daemon.queue.persist import persist
from artifactd.daemon.queue.recovery import submit_of
from artifactd.daemon.queue.spool import SubmissionFiles
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol.errors import ArtifactdError

__all__ = ["Durability"]

log = structlog.get_logger()

LINGER_SECONDS = 0.5
"""What commits sooner than this needs no sync of its own, and what arrives meanwhile shares one."""

_AT_ONCE = 1_000


class Durability:
    """One sync of the spool's filesystem for all that arrived since the last one."""

    def __init__(
        self, *, queue: Queue, journal: Journal, writer: GroupCommit[Operation, Any], spool: Path
    ) -> None:
        self._queue = queue
        self._journal = journal
        self._writer = writer
        self._spool = spool

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sync until cancelled; `want_durable` of the queue cuts the lingering short."""
        task_status.started()
        while True:
            await self._queue.wait_not_durable()
            with trio.move_on_after(LINGER_SECONDS):
                await self._queue.wait_durable_wanted()
            pending = self._queue.next_to_sync(_AT_ONCE)
            synced = await trio.to_thread.run_sync(self._sync, pending)
            await persist(self._writer, *(MarkDurable(submission.position) for submission in synced))
            self._queue.synced(pending, durable=synced)

    def _sync(self, submissions: Sequence[Submission]) -> list[Submission]:
        synced: list[Submission] = []
        spooled = False
        for submission in submissions:
            row = self._journal.get(submission.position)
            if row is None or not row.body:
                continue
            try:
                files = SubmissionFiles(self._spool, submission.uid, submit_of(row.body))
                spooled = files.sync() or spooled
            except (ArtifactdError, OSError) as error:
                log.error("files cannot be synced", id=submission.id.hex(), reason=str(error))
                continue
            synced.append(submission)
        if spooled:
            fd = os.open(self._spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sync_filesystem(fd)
            finally:
                os.close(fd)
        return synced
