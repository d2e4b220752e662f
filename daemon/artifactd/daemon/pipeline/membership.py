"""This daemon as one of those that share the catalog: it says how far back its checks for blobs reach."""

from __future__ import annotations

import socket
from functools import partial
from importlib.metadata import version

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.queue.submissions import Queue

__all__ = ["Membership"]

HEARTBEAT_SECONDS = 10.0


class Membership:
    """Joins the catalog and stays a member; see docs/deletion-protocol.md.

    `epoch` is the catalog's as this daemon last heard it. A submission begins in that epoch, and until it has
    ended, no collector deletes what was there then, or came there since.
    """

    def __init__(self, *, daemon: str, catalog: Catalog, calls: CatalogCalls, queue: Queue) -> None:
        self._daemon = daemon
        self._catalog = catalog
        self._calls = calls
        self._queue = queue
        self.epoch = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Become a member, which outlives outages of the catalog, and be heard every ten seconds until cancelled.

        Nothing may be uploaded or committed before it has started. Raises `Fenced`.
        """
        call = partial(self._catalog.join, self._daemon, socket.gethostname(), version("artifactd"))
        self.epoch = await self._calls.in_thread(call)
        task_status.started()
        while True:
            await trio.sleep(HEARTBEAT_SECONDS)
            begun = (submission.began for submission in self._queue if submission.began is not None)
            # What begins until the answer is there begins in the epoch that was heard before.
            oldest = min(begun, default=self.epoch)
            self.epoch = await self._calls.in_thread(partial(self._catalog.hear, oldest))
