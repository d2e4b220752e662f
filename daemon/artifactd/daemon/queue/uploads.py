"""The store's memory of multipart uploads, kept in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import outcome
import structlog
import trio

from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Journal, Operation
from artifactd.daemon.queue.operations import UploadCreated, UploadCreating, UploadEnded, UploadParts, UploadSent
from artifactd.daemon.queue.persist import persist
from artifactd.daemon.stores.base import SentPart, UnfinishedUpload

__all__ = ["JournalledUploads"]

log = structlog.get_logger()


class JournalledUploads:
    """Implements `stores.base.UploadJournal`. Made inside the trio run whose writer it uses."""

    def __init__(self, journal: Journal, writer: GroupCommit[Operation, Any]) -> None:
        self._journal = journal
        self._writer = writer
        self._token = trio.lowlevel.current_trio_token()

    async def creating(self, key: str) -> None:
        await persist(self._writer, UploadCreating(key))

    async def created(self, key: str, upload_id: str, part_size: int) -> None:
        await persist(self._writer, UploadCreated(key, upload_id, part_size))

    def sent(self, key: str, upload_id: str, parts: Sequence[SentPart]) -> None:
        self._token.run_sync_soon(self._writer.post, UploadSent(key, upload_id, parts), _noted)

    async def ended(self, key: str) -> None:
        await persist(self._writer, UploadEnded(key))

    async def unfinished(self) -> list[UnfinishedUpload]:
        return await trio.to_thread.run_sync(self._journal.uploads)

    async def parts(self, key: str) -> list[SentPart]:
        parts: list[SentPart]
        (parts,) = await persist(self._writer, UploadParts(key))
        return parts


def _noted(result: outcome.Outcome[Any]) -> None:
    if isinstance(result, outcome.Error):
        # Without the note the part is looked at more closely, or sent again.
        log.warning("parts of an upload could not be noted", reason=str(result.error))
