"""Making sure that blobs are in the store: look up, upload what is missing, register. Retries by kind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import trio
from blake3 import blake3

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.pipeline.batches import SMALL
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.flights import Flights
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.stores.base import Kind, Source, Store, StoreError
from artifactd.daemon.stores.keys import blob_key
from artifactd.daemon.stores.retry import delay
from artifactd.protocol.errors import ArtifactFailed, FileChanged
from artifactd.protocol.manifest import digest_of

__all__ = ["Blob", "Progress", "Registration", "Uploader"]

Registration = tuple[str, str, BlobLocation]
"""(entity, digest, location) of a blob that is in the store."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that must be in the store. `label` names them in errors; `data` holds them if they are small.

    `open` gives them for an upload otherwise, and raises `ArtifactFailed` when they are not what they were.
    """

    digest: str
    size: int
    label: str
    data: bytes | memoryview | None
    open: Callable[[], AbstractAsyncContextManager[Source]]


class Progress(Protocol):
    """What an upload tells about itself."""

    def uploading(self) -> None:
        """Something of it is on its way now."""

    def waiting(self, reason: str | None) -> None:
        """It waits for this, or goes on."""


class Uploader:
    """Shared by all submissions of the daemon. `uploaded_bytes` counts what was sent since the start.

    `epoch` gives the catalog's, as last heard: it becomes part of new keys.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        calls: CatalogCalls,
        registrations: GroupCommit[Registration, None],
        health: Health,
        epoch: Callable[[], int],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._calls = calls
        self._registrations = registrations
        self._health = health
        self._epoch = epoch
        self._flights = Flights()
        self.uploaded_bytes = 0

    async def ensure(self, entity: str, blobs: Sequence[Blob], progress: Progress) -> None:
        """Return once every blob is in the store and in the catalog's list.

        Raises `ArtifactFailed` naming the blob that cannot be stored. When cancelled, or failed, blobs that
        others wait for are theirs to upload.
        """
        wanted = {blob.digest: blob for blob in blobs}
        while wanted:
            mine, theirs = self._flights.claim(entity, wanted)
            try:
                await self._store_missing(entity, [wanted.pop(digest) for digest in mine], progress)
            finally:
                self._flights.release(entity, mine)
            # They are looked for anew then: their owner may have begun and ended before the last sweep.
            for flight in theirs:
                await flight.wait()

    async def _store_missing(self, entity: str, blobs: Sequence[Blob], progress: Progress) -> None:
        digests = [blob.digest for blob in blobs]
        if not digests:
            return
        known = await self._calls.in_thread(partial(self._catalog.reuse_blobs, entity, digests))
        missing = [blob for blob in blobs if blob.digest not in known]
        if not missing:
            return
        progress.uploading()
        keyed = [(blob_key(entity, blob.digest, self._epoch()), blob) for blob in missing]
        await self._put_small([(key, blob) for key, blob in keyed if blob.size <= SMALL], progress)
        for key, blob in keyed:
            if blob.size > SMALL:
                await self._put_large(key, blob, progress)
        stored = [(entity, blob.digest, BlobLocation(key, 0, blob.size)) for key, blob in keyed]
        await self._calls.repeat(partial(self._registrations.submit, *stored))
        self.uploaded_bytes += sum(blob.size for blob in missing)

    async def _put_small(self, blobs: Sequence[tuple[str, Blob]], progress: Progress) -> None:
        pending = [(key, blob, await _bytes_of(blob)) for key, blob in blobs]
        failures: Counter[Kind] = Counter()
        while pending:
            errors = await self._store.put_batch([(key, data) for key, _, data in pending])
            failed = [(item, error) for item, error in zip(pending, errors, strict=True) if error is not None]
            pending = [item for item, _ in failed]
            if failed:
                failures.update({error.kind for _, error in failed})
                (_, blob, _), error = min(
                    failed, key=lambda item: delay(item[1].kind, failures[item[1].kind], 0.0) is not None
                )
                await self._pause(blob, error, failures[error.kind], progress)
            else:
                self._recovered(progress)

    async def _put_large(self, key: str, blob: Blob, progress: Progress) -> None:
        # An outage, or credentials that expired, cost nothing of the attempts that other failures have.
        failures: Counter[Kind] = Counter()
        while True:
            try:
                async with blob.open() as source:
                    await self._store.put(key, source, digest=blob.digest)
            except StoreError as error:
                failures[error.kind] += 1
                await self._pause(blob, error, failures[error.kind], progress)
            else:
                self._recovered(progress)
                return

    async def _pause(self, blob: Blob, error: StoreError, attempt: int, progress: Progress) -> None:
        """Wait before the next attempt, or give the blob up."""
        waits = "; waiting until that is mended" if error.kind is Kind.DENIED else ""
        if error.kind is not Kind.CORRUPT:
            self._health.failed(f"{error}{waits}")
        seconds = delay(error.kind, attempt, random.random())
        if seconds is None:
            raise ArtifactFailed(
                f"the store refused it: {error.reason}",
                subject=blob.label,
                remedy="see the daemon's log, mend the store and log the artifact again",
            ) from error
        progress.waiting(f"the store: {error.reason}{waits}")
        await trio.sleep(seconds)

    def _recovered(self, progress: Progress) -> None:
        self._health.answered()
        progress.waiting(None)


async def _bytes_of(blob: Blob) -> bytes | memoryview:
    if blob.data is not None:
        return blob.data
    async with blob.open() as source:
        buffer = bytearray(source.size)
        read = await trio.to_thread.run_sync(source.read_into, memoryview(buffer), 0)
        if read < len(buffer):
            raise ArtifactFailed(f"ends after {read} of {len(buffer)} bytes", subject=blob.label)
        if digest_of(blake3(buffer).digest()) != blob.digest:
            raise FileChanged("is not what was hashed before", subject=blob.label)
        return bytes(buffer)
