"""Multipart uploads as the pipeline sees them, from trio: begun, gone on with after a failure or a kill, ended.

The journal knows of an upload before the server does, of its id before the first part, and of parts soon after
they arrived. Whatever ends a `put` early leaves the parts where they are for the next one, unless it shows that
they are of no use. An upload that nobody goes on with is an orphan after a day and aborted by the next one.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import trio

from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.base import Kind, Source, StoreError, UnfinishedUpload, UploadJournal
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.s3.multipart import Multipart, Upload
from artifactd.daemon.stores.s3.options import part_size_for
from artifactd.daemon.stores.s3.outcomes import Outcomes
from artifactd.daemon.stores.s3.requests import Requests

__all__ = ["ResumableUploads"]

CLEAN_UP_SECONDS = 10
"""How long a failed or cancelled upload may take to abort what it began."""
ORPHAN_SECONDS = 86_400
"""An upload to which no part was added for so long, and which nobody is at, is an orphan."""
GRACE_SECONDS = 3_600
"""What an earlier process left is nobody's orphan for so long after the start: the queue may still come to it."""
_CLOCKS_APART = timedelta(minutes=15)
"""S3 refuses a request whose clock is further from its own."""
_USELESS = frozenset({Kind.CORRUPT, Kind.PERMANENT})
"""Failures after which the same parts would only fail again."""


class ResumableUploads:
    """The multipart uploads of one store. At most one `put` of a key may be under way."""

    def __init__(
        self,
        bridge: Bridge,
        requests: Requests,
        outcomes: Outcomes,
        multipart: Multipart,
        gate: Gate,
        part_size: int,
        journal: UploadJournal,
    ) -> None:
        self._bridge = bridge
        self._requests = requests
        self._outcomes = outcomes
        self._multipart = multipart
        self._gate = gate
        self._part_size = part_size
        self._journal = journal
        self._unfinished: dict[str, UnfinishedUpload] = {}
        self._under_way: set[str] = set()
        self._opened_at = time.monotonic()

    async def put(self, key: str, source: Source, digest: str) -> None:
        """See `Store.put`."""
        self._under_way.add(key)
        try:
            upload = await self._take_up(key)
            if upload is None:
                if key in self._unfinished and await self._was_completed(key, source.size):
                    return
                upload = await self._begin(key, source.size)
            await self._go_on(upload, source, digest)
        finally:
            self._under_way.discard(key)
        await self._sweep()

    async def recover(self) -> int:
        """See `Store.recover`."""
        self._unfinished = {upload.key: upload for upload in await self._journal.unfinished()}
        useless = [upload for upload in self._unfinished.values() if not _can_go_on(upload)]
        for upload in useless:
            with suppress(StoreError):
                await self._abandon(upload)
        return sum(upload.key not in self._unfinished for upload in useless)

    async def _take_up(self, key: str) -> Upload | None:
        """The upload that an earlier `put` of the key left, as the server knows it; None if there is none."""
        found = self._unfinished.get(key)
        if found is None:
            return None
        if found.upload_id is None or found.part_size is None:
            await self._abandon(found)
            return None
        listing = partial(self._requests.parts, key, found.upload_id)
        stored = await self._bridge.call(self._gate.heed, listing)
        if stored is None:
            return None
        noted = {part.number: part for part in await self._journal.parts(key)}
        return Upload(key, found.upload_id, found.part_size, stored, noted)

    async def _was_completed(self, key: str, size: int) -> bool:
        """Whether an upload that the server does not know any more became the object: its answer was lost.

        Keys are content addresses, and only uploads whose digest was checked are completed.
        """
        try:
            found = await self._bridge.call(self._outcomes.look, key, size)
        except StoreError as error:
            # To credentials that may not list the whole bucket S3 says so of an object that is not there.
            if error.kind is not Kind.DENIED:
                raise
            found = None
        await self._ended(key)
        return found is not None and found.size == size

    async def _begin(self, key: str, size: int) -> Upload:
        part_size = part_size_for(size, self._part_size)
        begun = UnfinishedUpload(key, None, None, time.time())
        await self._journal.creating(key)
        self._unfinished[key] = begun
        try:
            upload_id = await self._bridge.call(self._gate.heed, partial(self._requests.create, key))
        except BaseException:
            await self._clean_up(begun)
            raise
        self._unfinished[key] = replace(begun, upload_id=upload_id, part_size=part_size)
        await self._journal.created(key, upload_id, part_size)
        return Upload(key, upload_id, part_size)

    async def _go_on(self, upload: Upload, source: Source, digest: str) -> None:
        note = partial(self._journal.sent, upload.key, upload.upload_id)
        try:
            await self._bridge.call(self._multipart.put, upload, source, digest, note)
        except StoreError as error:
            if error.kind in _USELESS:
                await self._clean_up(self._unfinished[upload.key])
            raise
        finally:
            if left := self._unfinished.get(upload.key):
                self._unfinished[upload.key] = replace(left, touched_at=time.time())
        await self._ended(upload.key)

    async def _ended(self, key: str) -> None:
        await self._journal.ended(key)
        self._unfinished.pop(key, None)

    async def _sweep(self) -> None:
        if time.monotonic() - self._opened_at < GRACE_SECONDS:
            return
        oldest = time.time() - ORPHAN_SECONDS
        for upload in list(self._unfinished.values()):
            if upload.touched_at < oldest and upload.key not in self._under_way:
                with suppress(StoreError):
                    await self._abandon(upload)

    async def _clean_up(self, upload: UnfinishedUpload) -> None:
        """Abort within a deadline, cancelled or not; what fails stays journalled, for the next `put` or start."""
        with trio.move_on_after(CLEAN_UP_SECONDS, shield=True), suppress(StoreError):
            await self._abandon(upload)

    async def _abandon(self, upload: UnfinishedUpload) -> None:
        await self._bridge.call(self._abort, upload)
        await self._ended(upload.key)

    async def _abort(self, upload: UnfinishedUpload) -> None:
        known = upload.upload_id
        for upload_id in [known] if known else await self._unanswered(upload):
            await self._requests.abort(upload.key, upload_id)

    async def _unanswered(self, upload: UnfinishedUpload) -> list[str]:
        """Uploads that may be the one whose creation was never answered.

        The bucket may be shared, and S3 does not tell whose an upload is: only one that was begun at the time and
        has no part yet is taken for ours. Should it be another node's after all, that node begins it again.
        """
        created = datetime.fromtimestamp(upload.touched_at, UTC)
        return [
            upload_id
            for upload_id, begun in await self._requests.uploads(upload.key)
            if abs(begun - created) < _CLOCKS_APART and not await self._requests.parts(upload.key, upload_id)
        ]


def _can_go_on(upload: UnfinishedUpload) -> bool:
    return upload.upload_id is not None and upload.part_size is not None
