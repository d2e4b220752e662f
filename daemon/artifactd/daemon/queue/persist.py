"""Writing to the journal what must be written, however long its disk is full."""

from __future__ import annotations

from typing import Any

import structlog
import trio

from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Operation
from artifactd.protocol.errors import OutOfSpace

__all__ = ["persist"]

RETRY_SECONDS = 1.0

log = structlog.get_logger()


async def persist(writer: GroupCommit[Operation, Any], *operations: Operation) -> list[Any]:
    """Return their results once `operations` are durable. They must be safe to repeat.

    Cancelling stops the waiting.
    """
    while True:
        try:
            return await writer.submit(*operations)
        except OutOfSpace as error:
            log.error("the journal cannot be written", reason=str(error))
            await trio.sleep(RETRY_SECONDS)
