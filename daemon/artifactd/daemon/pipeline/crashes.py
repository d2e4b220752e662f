"""Noticing that a run's process is gone: its lock is free, and nobody said how it ended."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import structlog
import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.queue.run_locks import RunLock, RunName, free_runs, read_locks, remove_locks

__all__ = ["Crashes"]

SWEEP_SECONDS = 1.0
UNKNOWN_SECONDS = 3600.0
"""How long a free file may stay whose run the catalog does not know: its `StartRun` may still be on its way."""

log = structlog.get_logger()


class Crashes:
    """Closes as crashed the runs that were started here and whose processes are gone.

    The catalog decides by the lock that a run was started with last, so a run that is resumed while we look,
    here or on another node, stays open. What is not settled stays for the next look.
    """

    def __init__(self, *, directory: Path, catalog: Catalog, calls: CatalogCalls) -> None:
        self._directory = directory
        self._catalog = catalog
        self._calls = calls

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look every second until cancelled."""
        task_status.started()
        while True:
            await self._sweep()
            await trio.sleep(SWEEP_SECONDS)

    async def _sweep(self) -> None:
        locks = await trio.to_thread.run_sync(read_locks, self._directory)
        for run, files in free_runs(locks).items():
            await self._settle(run, files)
        nameless = [lock for lock in locks if lock.run is None and not lock.held]
        await self._remove([lock for lock in nameless if lock.age > UNKNOWN_SECONDS])

    async def _settle(self, run: RunName, files: list[RunLock]) -> None:
        end = await self._calls.in_thread(partial(self._catalog.crash_run, *run, [file.name for file in files]))
        if end is not None and end.state == "crashed":
            log.warning("a run crashed: its process is gone", run=f"{run.entity}/{run.project}/{run.id}")
        own = None if end is None else end.lock
        await self._remove([file for file in files if file.name == own or file.age > UNKNOWN_SECONDS])

    async def _remove(self, files: list[RunLock]) -> None:
        if files:
            await trio.to_thread.run_sync(remove_locks, self._directory, files)
