"""The store `s3://bucket/prefix`, from trio."""

from __future__ import annotations

from typing import Any

from awscrt.checksums import crc64nvme

from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.attempts import Attempts
from artifactd.daemon.stores.base import Source, UploadJournal
from artifactd.daemon.stores.buckets.bucket import BucketStore
from artifactd.daemon.stores.buckets.buffers import Buffers
from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS, SinglePuts
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.s3.multipart import Multipart
from artifactd.daemon.stores.s3.options import S3Options
from artifactd.daemon.stores.s3.outcomes import Outcomes
from artifactd.daemon.stores.s3.requests import Requests
from artifactd.daemon.stores.s3.resumable import ResumableUploads

__all__ = ["S3Store"]


class S3Store(BucketStore):
    """A `Store` in a bucket. It owns the client; the bridge belongs to the caller."""

    def __init__(
        self, bridge: Bridge, client: Any, bucket: str, prefix: str, options: S3Options, journal: UploadJournal
    ) -> None:
        self._client = client
        requests = Requests(client, bucket, prefix + "/" if prefix else "", options.new_object)
        gate, attempts = Gate(options.concurrency + SMALL_PUTS), Attempts()
        outcomes = Outcomes(requests, gate)
        buffers = Buffers(options.part_size, options.part_size * options.concurrency)
        small = SinglePuts(requests.put, outcomes.settle, crc64nvme, gate, attempts, buffers)
        super().__init__(f"s3://{bucket}/{prefix}", bridge, requests, small, gate)
        multipart = Multipart(requests, outcomes, gate, attempts, buffers)
        self._large = ResumableUploads(bridge, requests, outcomes, multipart, gate, options.part_size, journal)

    async def _put_large(self, key: str, source: Source, digest: str) -> None:
        await self._large.put(key, source, digest)

    async def recover(self) -> int:
        return await self._large.recover()

    async def aclose(self) -> None:
        await self._bridge.call(self._client.close)
