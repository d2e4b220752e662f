"""What the tests of the GCS store share: a store on the fake, and callers with the patience of the pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.downloads.transfer import Blob, Transfer
from artifactd.daemon.stores.base import Store, StoreError
from artifactd.daemon.stores.factory import GCSOptions, S3Options, open_store
from artifactd.daemon.stores.retry import delay
from servers.gcs import FakeGcs
from stores.support import MIB, Journal, digest, put

__all__ = ["CHUNK", "KEY", "NAME", "SIZE", "Patience", "download", "gcs_store", "insist", "stored"]

CHUNK = MIB
SIZE = 9 * MIB + 77
"""Nine whole chunks and a short one."""
KEY = "aa/object"
NAME = f"prefix/{KEY}"


@asynccontextmanager
async def gcs_store(
    server: FakeGcs, journal: Journal, *, bucket: str = "bucket", stall: float = 20.0, **options: str
) -> AsyncIterator[Store]:
    """A store in a bucket that keeps every generation, so that a second one shows."""
    if bucket not in server.buckets:
        server.create_bucket(bucket, versioning=True)
    made = GCSOptions(chunk_size=CHUNK, concurrency=4, stall_timeout=stall, **options)  # type: ignore[arg-type]
    async with open_store(f"gs://{bucket}/prefix", s3=S3Options(), gcs=made, journal=journal) as store:
        yield store


class Patience:
    """How often the pipeline's policy lets a failed call be made again; `failed` says how each ended."""

    def __init__(self) -> None:
        self.failed: list[StoreError] = []

    def note(self, error: StoreError) -> None:
        """Raise it if that is the end."""
        self.failed.append(error)
        alike = sum(failed.kind is error.kind for failed in self.failed)
        if delay(error.kind, alike, 0.0) is None or len(self.failed) > 40:
            raise error


async def insist(call: Callable[[], Awaitable[None]]) -> list[StoreError]:
    """Call until it succeeds, as the pipeline does, but at once; returns the failures on the way."""
    patience = Patience()
    while True:
        try:
            await call()
        except StoreError as error:
            patience.note(error)
        else:
            return patience.failed


async def insist_on_put(store: Store, data: bytes, key: str = KEY) -> list[StoreError]:
    return await insist(lambda: put(store, key, data))


def stored(server: FakeGcs, name: str = NAME, bucket: str = "bucket") -> bytes:
    """The one generation that there ever was of an object."""
    found = server.buckets[bucket]
    assert not found.noncurrent, "it was made more than once"
    return found.live[name].data


async def download(store: Store, data: bytes, path: Path) -> None:
    """Fetch it as the daemon does, over faults, into a new file."""
    with path.open("w+b") as file, trio.fail_after(60):
        await Transfer(store).fetch(Blob(digest(data), BlobLocation(KEY, 0, len(data))), file.fileno())
        file.seek(0)
        assert file.read() == data
