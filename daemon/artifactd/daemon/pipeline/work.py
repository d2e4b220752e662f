"""One submission's way from accepted to ready: read its files, store its blobs, store its manifest."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import trio
from blake3 import blake3

from artifactd.daemon.pipeline.assembly import Assembler
from artifactd.daemon.pipeline.batches import SMALL, Batch, plan
from artifactd.daemon.pipeline.budget import ByteBudget
from artifactd.daemon.pipeline.drafted import Drafted
from artifactd.daemon.pipeline.hasher import Hashed, Hasher
from artifactd.daemon.pipeline.manifest_files import digest_file
from artifactd.daemon.pipeline.parts import Parts
from artifactd.daemon.pipeline.uploader import Blob, Uploader
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.recovery import submit_of
from artifactd.daemon.queue.spool import SubmissionFiles, is_passing, reading
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.daemon.stores.base import Source
from artifactd.daemon.stores.sources import BytesSource, FileSource
from artifactd.protocol.errors import ArtifactdError, InvalidRequest
from artifactd.protocol.manifest import DraftEntry, Entry, digest_hex, digest_of, pack_manifest
from artifactd.protocol.states import State

__all__ = ["Tools", "Work"]

_PLANNED_AT_ONCE = 8
_DIGEST_BYTES = 32
_SHORTAGE_SECONDS = 1.0
_SMALLEST_CLAIM = 512 << 10
"""What a batch of tiny files counts: its entries take memory too."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Tools:
    """What all submissions share."""

    queue: Queue
    journal: Journal
    spool: Path
    hasher: Hasher
    uploader: Uploader
    budget: ByteBudget
    assembler: Assembler
    parts: Parts


class Work:
    """The processing of one submission; also the `Progress` that its uploads report to."""

    def __init__(self, submission: Submission, tools: Tools) -> None:
        self._submission = submission
        self._tools = tools
        self._files: SubmissionFiles
        self._drafted: Drafted
        self._base: tuple[str, str, int] | None = None
        self._batches: Iterator[Batch]
        self._digests = bytearray()
        self._failure: ArtifactdError | None = None

    async def run(self) -> None:
        """Return when it is ready. Raises `ArtifactdError` if it can't be; cancelling leaves nothing behind."""
        self._tools.queue.advance(self._submission, State.HASHING)
        if self._submission.draft is not None:
            await self._contribute()
            return
        first = await self._in_thread(self._begin)
        if len(first) == 1 and not first[0].is_large and self._drafted.is_all_stored:
            manifest = await self._store_at_once(first[0])
        else:
            await self._store_files(first)
            with await self._patiently(self._build_manifest) as file:
                manifest = await self._store_manifest(file)
        # A drop that came while the last write returned has cancelled us, and must not be overtaken.
        await trio.lowlevel.checkpoint_if_cancelled()
        self._tools.queue.ready(self._submission, manifest)

    async def _contribute(self) -> None:
        """Register the files as a part of a draft; one that finishes it goes on with those of all parts."""
        submission, parts = self._submission, self._tools.parts
        if not await parts.registered(submission):
            await self._store_files(await self._in_thread(self._begin))
            with await self._patiently(self._build_manifest) as file:
                await parts.register(submission, file)
        manifest, totals = None, None
        if submission.part_of is None:
            manifest, totals = await parts.merge(submission, self._in_thread, self._store_manifest)
        await trio.lowlevel.checkpoint_if_cancelled()
        self._tools.queue.ready(submission, manifest, totals)

    def uploading(self) -> None:
        if self._submission.state is State.HASHING:
            self._tools.queue.advance(self._submission, State.UPLOADING)

    def waiting(self, reason: str | None) -> None:
        self._submission.waiting_for = reason

    # Files

    def _begin(self) -> list[Batch]:
        row = self._tools.journal.get(self._submission.position)
        if row is None:
            raise InvalidRequest("its journal row is gone", subject=self._submission.id.hex())
        submit = submit_of(row.body)
        self._base = submit.base
        self._files = SubmissionFiles(self._tools.spool, self._submission.uid, submit)
        self._drafted = Drafted(self._files)
        self._batches = plan(self._drafted.stored())
        return self._plan()

    def _plan(self) -> list[Batch]:
        """The next batches; fewer than `_PLANNED_AT_ONCE` at the end."""
        return list(islice(self._batches, _PLANNED_AT_ONCE))

    async def _store_at_once(self, batch: Batch) -> str:
        """Store a few small files and their manifest in one go; returns the manifest's digest."""
        self._check_totals()
        claim = _claim(batch)
        await self._tools.budget.acquire(claim)
        try:
            hashed = await self._hash(batch)
            entries = [Entry(file.entry.path, file.digest, file.entry.size) for file in hashed]
            manifest = b"".join(pack_manifest(entries))
            digest = digest_of(blake3(manifest).digest())
            blobs = [*map(self._blob, hashed), _bytes_blob(digest, manifest)]
            await self._tools.uploader.ensure(self._submission.entity, blobs, self)
        finally:
            self._tools.budget.release(claim)
        self._progressed(batch)
        return digest

    async def _store_files(self, planned: Sequence[Batch]) -> None:
        async with trio.open_nursery() as nursery:
            while planned:
                for batch in planned:
                    self._digests.extend(bytes(_DIGEST_BYTES * len(batch.entries)))
                    claim = _claim(batch)
                    await self._tools.budget.acquire(claim)
                    nursery.start_soon(self._store_batch, batch, claim, nursery.cancel_scope)
                planned = await self._next_batches(nursery.cancel_scope)
        if self._failure is not None:
            raise self._failure
        self._check_totals()

    async def _next_batches(self, siblings: trio.CancelScope) -> list[Batch]:
        try:
            return await self._in_thread(self._plan)
        except ArtifactdError as error:
            self._fail(error, siblings)
            return []

    async def _store_batch(self, batch: Batch, claim: int, siblings: trio.CancelScope) -> None:
        try:
            hashed = await self._hash(batch)
            raw = b"".join(bytes.fromhex(digest_hex(file.digest)) for file in hashed)
            self._digests[batch.first * _DIGEST_BYTES : batch.first * _DIGEST_BYTES + len(raw)] = raw
            await self._tools.uploader.ensure(self._submission.entity, [*map(self._blob, hashed)], self)
            self._progressed(batch)
        except ArtifactdError as error:
            self._fail(error, siblings)
        finally:
            self._tools.budget.release(claim)

    def _fail(self, error: ArtifactdError, siblings: trio.CancelScope) -> None:
        # Raised inside a nursery it would arrive as a group; the first error is the one to tell.
        self._failure = self._failure or error
        siblings.cancel()

    def _progressed(self, batch: Batch) -> None:
        self._submission.files_done += len(batch.entries)
        self._submission.bytes_done += batch.size

    def _check_totals(self) -> None:
        submission, drafted = self._submission, self._drafted
        if (drafted.files, drafted.size) != (submission.files, submission.size):
            raise InvalidRequest(
                f"the manifest has {drafted.files} files of {drafted.size} bytes,"
                f" not {submission.files} of {submission.size}"
            )

    async def _hash(self, batch: Batch) -> list[Hashed]:
        return await self._patiently(partial(self._tools.hasher.hash, batch, self._files, self._submission.uid))

    def _blob(self, hashed: Hashed) -> Blob:
        entry = hashed.entry
        return Blob(hashed.digest, entry.size, entry.path, hashed.data, partial(self._open, entry))

    @asynccontextmanager
    async def _open(self, entry: DraftEntry) -> AsyncIterator[Source]:
        def opened() -> int:
            with reading(entry):
                return self._files.open(entry)

        fd = await self._in_thread(opened)
        try:
            yield FileSource(fd, entry.offset, entry.size)
            await trio.to_thread.run_sync(self._files.check_unchanged, entry, fd)
        finally:
            os.close(fd)

    # Manifest

    async def _build_manifest(self) -> BinaryIO:
        return await self._tools.assembler.build(
            self._submission, self._drafted, self._base, self._stored_entries, self
        )

    def _stored_entries(self) -> Iterator[Entry]:
        for index, entry in enumerate(Drafted(self._files).stored()):
            raw = self._digests[index * _DIGEST_BYTES : (index + 1) * _DIGEST_BYTES]
            yield Entry(entry.path, digest_of(bytes(raw)), entry.size)

    async def _store_manifest(self, file: BinaryIO) -> str:
        digest, size = await trio.to_thread.run_sync(digest_file, file)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Source]:
            yield FileSource(file.fileno(), 0, size)

        blob = Blob(digest, size, "manifest", None, opened)
        await self._tools.uploader.ensure(self._submission.entity, [blob], self)
        return digest

    # Shortages

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await self._patiently(partial(trio.to_thread.run_sync, work))

    async def _patiently(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat `work` while this machine is short of descriptors, memory or disk: no reason to give it up."""
        while True:
            try:
                return await work()
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) and not is_passing(error):
                    raise
                self.waiting(f"the daemon's machine: {error.strerror}")
                await trio.sleep(_SHORTAGE_SECONDS)
                self.waiting(None)


def _claim(batch: Batch) -> int:
    return max(_SMALLEST_CLAIM, min(batch.size, SMALL))


def _bytes_blob(digest: str, data: bytes) -> Blob:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Source]:
        yield BytesSource(data)

    return Blob(digest, len(data), "manifest", data, opened)
