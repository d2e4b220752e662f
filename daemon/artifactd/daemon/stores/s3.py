"""The store `s3://bucket/prefix`, from trio: each method crosses to the asyncio loop once per step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import trio

from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.base import (
    SINGLE_PUT,
    ObjectInfo,
    Source,
    StoreError,
    UnfinishedUpload,
    UploadJournal,
    check_key,
)
from artifactd.daemon.stores.s3_options import S3Options
from artifactd.daemon.stores.s3_requests import Requests
from artifactd.daemon.stores.s3_upload import Uploads

__all__ = ["S3Store"]

_CLEAN_UP_SECONDS = 10
"""How long a failed or cancelled upload may take to abort what it began."""


class S3Store:
    """A `Store` in a bucket. It owns the client; the bridge belongs to the caller."""

    def __init__(
        self, bridge: Bridge, client: Any, bucket: str, prefix: str, options: S3Options, journal: UploadJournal
    ) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bridge = bridge
        self._client = client
        self._requests = Requests(client, bucket, prefix + "/" if prefix else "")
        self._uploads = Uploads(self._requests, options)
        self._journal = journal
        self._left_behind: dict[str, UnfinishedUpload] = {}

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        check_key("put", key)
        if source.size <= SINGLE_PUT:
            await self._bridge.call(self._uploads.put_whole, key, source, digest)
        else:
            await self._put_parts(key, source, digest)

    async def _put_parts(self, key: str, source: Source, digest: str) -> None:
        # The journal holds one upload per key: settle an earlier one before it is overwritten.
        if earlier := self._left_behind.get(key):
            await self._abandon(earlier)
        upload_id = None
        await self._journal.creating(key)
        try:
            upload_id = await self._bridge.call(self._requests.create, key)
            await self._journal.created(key, upload_id)
            await self._bridge.call(self._uploads.put_parts, key, upload_id, source, digest)
        except BaseException:
            await self._clean_up(UnfinishedUpload(key, upload_id))
            raise
        await self._journal.ended(key)

    async def _clean_up(self, upload: UnfinishedUpload) -> None:
        """Abort within a deadline, cancelled or not; what fails stays journalled, for the next `put` or start."""
        self._left_behind[upload.key] = upload
        with trio.move_on_after(_CLEAN_UP_SECONDS, shield=True), suppress(StoreError):
            await self._abandon(upload)

    async def _abandon(self, upload: UnfinishedUpload) -> None:
        await self._bridge.call(self._abort, upload)
        await self._journal.ended(upload.key)
        self._left_behind.pop(upload.key, None)

    async def _abort(self, upload: UnfinishedUpload) -> None:
        known = upload.upload_id
        for upload_id in [known] if known else await self._requests.uploads(upload.key):
            await self._requests.abort(upload.key, upload_id)

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        return await self._bridge.call(self._uploads.put_many, items)

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        return await self._bridge.call(self._requests.get, check_key("get", key), fd, offset, length)

    async def head(self, key: str) -> ObjectInfo | None:
        return await self._bridge.call(self._requests.head, check_key("head", key))

    async def delete(self, key: str) -> None:
        await self._bridge.call(self._requests.delete, check_key("delete", key))

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        token: str | None = ""
        while token is not None:
            found, token = await self._bridge.call(self._requests.page, prefix, token)
            for info in found:
                yield info

    async def recover(self) -> int:
        """To be called before the first `put`, which would write over what the journal tells of its key."""
        unfinished = await self._journal.unfinished()
        for upload in unfinished:
            self._left_behind[upload.key] = upload
            with suppress(StoreError):
                await self._abandon(upload)
        return sum(upload.key not in self._left_behind for upload in unfinished)

    async def aclose(self) -> None:
        await self._bridge.call(self._client.close)
