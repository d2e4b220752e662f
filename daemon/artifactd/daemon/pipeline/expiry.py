"""Ending drafts that their writers have left."""

from __future__ import annotations

from functools import partial

import structlog
import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls

__all__ = ["Expiry"]

SWEEP_SECONDS = 3600.0

log = structlog.get_logger()


class Expiry:
    """Ends, every hour, the drafts of any node to which no part has come for `seconds`."""

    def __init__(self, catalog: Catalog, calls: CatalogCalls, seconds: float) -> None:
        self._catalog = catalog
        self._calls = calls
        self._seconds = seconds

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sweep until cancelled; each draft is a transaction of its own."""
        task_status.started()
        while True:
            while draft := await self._calls.in_thread(partial(self._catalog.expire_draft, self._seconds)):
                log.warning("draft expired", draft=draft)
            await trio.sleep(SWEEP_SECONDS)
