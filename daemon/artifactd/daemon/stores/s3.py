"""The store `s3://bucket/prefix`, from trio: each method crosses to the asyncio loop once per step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any

from awscrt.checksums import crc64nvme

from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.attempts import Attempts
from artifactd.daemon.stores.base import SINGLE_PUT, ObjectInfo, Source, StoreError, UploadJournal, check_key
from artifactd.daemon.stores.buffers import Buffers
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.s3_multipart import Multipart
from artifactd.daemon.stores.s3_options import S3Options
from artifactd.daemon.stores.s3_outcomes import Outcomes
from artifactd.daemon.stores.s3_requests import Requests
from artifactd.daemon.stores.s3_resumable import ResumableUploads
from artifactd.daemon.stores.single_puts import SMALL_PUTS, SinglePuts

__all__ = ["S3Store"]


class S3Store:
    """A `Store` in a bucket. It owns the client; the bridge belongs to the caller."""

    def __init__(
        self, bridge: Bridge, client: Any, bucket: str, prefix: str, options: S3Options, journal: UploadJournal
    ) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bridge = bridge
        self._client = client
        self._requests = Requests(client, bucket, prefix + "/" if prefix else "", options.new_object)
        self._gate = Gate(options.concurrency + SMALL_PUTS)
        attempts = Attempts()
        buffers = Buffers(options.part_size, options.part_size * options.concurrency)
        outcomes = Outcomes(self._requests)
        self._small = SinglePuts(self._requests.put, outcomes.settle, crc64nvme, self._gate, attempts, buffers)
        multipart = Multipart(self._requests, outcomes, self._gate, attempts, buffers)
        self._large = ResumableUploads(bridge, self._requests, outcomes, multipart, options.part_size, journal)

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        check_key("put", key)
        if source.size <= SINGLE_PUT:
            await self._bridge.call(self._small.put, key, source, digest)
        else:
            await self._large.put(key, source, digest)

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        return await self._bridge.call(self._small.put_many, items)

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        request = partial(self._requests.get, check_key("get", key), fd, offset, length)
        return await self._bridge.call(self._gate.run, request)

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
        return await self._large.recover()

    async def aclose(self) -> None:
        await self._bridge.call(self._client.close)
