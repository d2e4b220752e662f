"""The store's memory of multipart uploads, kept in the journal."""

from __future__ import annotations

from typing import Any

import trio

from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Journal, Operation
from artifactd.daemon.queue.operations import UploadCreated, UploadCreating, UploadEnded
from artifactd.daemon.queue.persist import persist
from artifactd.daemon.stores.base import UnfinishedUpload

__all__ = ["JournalledUploads"]


class JournalledUploads:
    """Implements `stores.base.UploadJournal`."""

    def __init__(self, journal: Journal, writer: GroupCommit[Operation, Any]) -> None:
        self._journal = journal
        self._writer = writer

    async def creating(self, key: str) -> None:
        await persist(self._writer, UploadCreating(key))

    async def created(self, key: str, upload_id: str) -> None:
        await persist(self._writer, UploadCreated(key, upload_id))

    async def ended(self, key: str) -> None:
        await persist(self._writer, UploadEnded(key))

    async def unfinished(self) -> list[UnfinishedUpload]:
        found = await trio.to_thread.run_sync(self._journal.uploads)
        return [UnfinishedUpload(key, upload_id) for key, upload_id in found]
