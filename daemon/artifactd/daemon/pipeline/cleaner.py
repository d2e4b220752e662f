"""Taking away what nobody needs any more: spooled files of what is committed, abandoned drafts, old results."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import structlog
import trio

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Journal, Operation
from artifactd.daemon.queue.operations import Prune
from artifactd.daemon.queue.persist import persist
from artifactd.protocol.states import State

__all__ = ["Cleaner"]

SWEEP_SECONDS = 3600.0
DRAFT_SECONDS = 3600.0
FAILED_SECONDS = 7 * 86400.0
RESULT_SECONDS = 30 * 86400.0

_SUBMISSION = re.compile(r"[0-9a-f]{32}\Z")

log = structlog.get_logger()


class Cleaner:
    """Removes spool directories: at once when told to, and by looking every hour."""

    def __init__(self, *, journal: Journal, writer: GroupCommit[Operation, Any], spool: Path) -> None:
        self._journal = journal
        self._writer = writer
        self._spool = spool
        # Unbounded: the journal bounds it, and what is lost of it in a crash the sweep finds.
        self._done_send, self._done_receive = trio.open_memory_channel[bytes](float("inf"))

    def discard(self, id: bytes) -> None:
        """This submission is committed: its files may go."""
        self._done_send.send_nowait(id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Clean until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep_for_ever)
            task_status.started()
            async for id in self._done_receive:
                reach(Point.BEFORE_CLEANUP)
                await trio.to_thread.run_sync(self._remove, id.hex())

    async def _sweep_for_ever(self) -> None:
        while True:
            now = time.time()
            await persist(self._writer, Prune(now - RESULT_SECONDS))
            for name in await trio.to_thread.run_sync(os.listdir, self._spool):
                await trio.to_thread.run_sync(self._sweep, name, now)
            await trio.sleep(SWEEP_SECONDS)

    def _sweep(self, name: str, now: float) -> None:
        try:
            fd = os.open(self._spool / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if self._is_garbage(name, fd, now):
                self._remove(name)
        finally:
            os.close(fd)

    def _is_garbage(self, name: str, fd: int, now: float) -> bool:
        status = os.fstat(fd)
        id = bytes.fromhex(name) if _SUBMISSION.match(name) else b""
        if self._journal.quarantine_reason(status.st_uid, id):
            return False
        row = self._journal.find(status.st_uid, id)
        if row is None:
            return now - status.st_mtime > DRAFT_SECONDS and _is_unlocked(fd)
        if row.state is State.ACCEPTED:
            return False
        return row.state is State.COMMITTED or now - (row.ended_at or now) > FAILED_SECONDS

    def _remove(self, name: str) -> None:
        try:
            shutil.rmtree(self._spool / name)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("spool directory cannot be removed", directory=name, reason=str(error))


def _is_unlocked(fd: int) -> bool:
    """Whether no client holds the draft open any more."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
