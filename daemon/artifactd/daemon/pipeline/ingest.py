"""One submission's way from accepted to ready: read its files, store its blobs, store its manifest."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import trio
from blake3 import blake3

from artifactd.daemon.pipeline.batches import SMALL, Batch, plan
from artifactd.daemon.pipeline.budget import ByteBudget
from artifactd.daemon.pipeline.hasher import Hashed, Hasher
from artifactd.daemon.pipeline.uploader import Blob, Uploader
from artifactd.daemon.queue.ending import Ending
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.recovery import submit_of
from artifactd.daemon.queue.spool import SubmissionFiles, is_passing
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.daemon.stores.base import Source
from artifactd.daemon.stores.sources import FileSource
from artifactd.protocol.errors import ArtifactdError, InvalidRequest
from artifactd.protocol.manifest import DraftEntry, Entry, digest_hex, digest_of, pack_manifest
from artifactd.protocol.states import State

__all__ = ["Ingest"]

MEMORY = 64 << 20
"""Bytes of file contents in memory at the same time, over all submissions."""

_PLANNED_AT_ONCE = 8
_SHORTAGE_SECONDS = 1.0
_DIGEST_BYTES = 32
_SMALLEST_CLAIM = 512 << 10
"""What a batch of tiny files counts: its entries take memory too."""

Result = TypeVar("Result")
_FILES_IN_MEMORY = 1_000
"""Up to so many files, the manifest of an artifact is put together in memory."""


class Ingest:
    """Processes up to `submissions` at the same time, in the scheduler's order."""

    def __init__(
        self,
        *,
        queue: Queue,
        ending: Ending,
        journal: Journal,
        home: Path,
        spool: Path,
        hasher: Hasher,
        uploader: Uploader,
        submissions: int,
    ) -> None:
        self._queue = queue
        self._ending = ending
        self._journal = journal
        self._home = home
        self._spool = spool
        self._hasher = hasher
        self._uploader = uploader
        self._slots = trio.Semaphore(submissions)
        self._budget = ByteBudget(MEMORY)
        self._taking = trio.CancelScope()
        self.drained = trio.Event()
        """Set once no more is taken and what was taken has ended or is ready."""

    def stop(self) -> None:
        """Take no more; what was taken is finished. See `drained`."""
        self._taking.cancel()

    async def run(self) -> None:
        """Take work until `stop` is called."""
        async with trio.open_nursery() as nursery:
            with self._taking:
                while True:
                    await self._slots.acquire()
                    nursery.start_soon(self._process, await self._queue.next_to_process())
        self.drained.set()

    async def _process(self, submission: Submission) -> None:
        failure: ArtifactdError | None = None
        submission.started_at = time.monotonic()
        with trio.CancelScope() as submission.scope:
            try:
                # Between being taken and this line it may have been dropped, with one that it was logged after.
                if self._queue.holds(submission):
                    await _Work(self, submission).run()
            except ArtifactdError as error:
                failure = error
        self._slots.release()
        if failure is not None:
            await self._ending.failed((submission, failure))


class _Work:
    """The processing of one submission; also the `Progress` that its uploads report to."""

    def __init__(self, ingest: Ingest, submission: Submission) -> None:
        self._ingest = ingest
        self._submission = submission
        self._digests = bytearray()
        self._failure: ArtifactdError | None = None

    async def run(self) -> None:
        submission, ingest = self._submission, self._ingest
        ingest._queue.advance(submission, State.HASHING)
        row = await trio.to_thread.run_sync(ingest._journal.get, submission.position)
        if row is None:
            raise InvalidRequest("its journal row is gone", subject=submission.id.hex())
        self._files = SubmissionFiles(ingest._spool, submission.uid, submit_of(row.body))
        await self._store_files()
        with await self._patiently(partial(trio.to_thread.run_sync, self._build_manifest)) as file:
            await self._store_manifest(file)

    def uploading(self) -> None:
        if self._submission.state is State.HASHING:
            self._ingest._queue.advance(self._submission, State.UPLOADING)

    def waiting(self, reason: str | None) -> None:
        self._submission.waiting_for = reason

    async def _store_files(self) -> None:
        batches = plan(self._files.entries())
        size = 0
        async with trio.open_nursery() as nursery:
            while planned := await self._take(batches, nursery.cancel_scope):
                for batch in planned:
                    self._digests.extend(bytes(_DIGEST_BYTES * len(batch.entries)))
                    size += batch.size
                    claim = max(_SMALLEST_CLAIM, min(batch.size, SMALL))
                    await self._ingest._budget.acquire(claim)
                    nursery.start_soon(self._store_batch, batch, claim, nursery.cancel_scope)
        if self._failure is not None:
            raise self._failure
        files = len(self._digests) // _DIGEST_BYTES
        if (files, size) != (self._submission.files, self._submission.size):
            raise InvalidRequest(
                f"the manifest has {files} files of {size} bytes, not {self._submission.files} "
                f"of {self._submission.size}"
            )

    async def _take(self, batches: Iterator[Batch], siblings: trio.CancelScope) -> list[Batch]:
        """The next batches; none when the manifest turns out to break a rule."""
        try:
            return await trio.to_thread.run_sync(lambda: list(islice(batches, _PLANNED_AT_ONCE)))
        except ArtifactdError as error:
            self._fail(error, siblings)
            return []

    def _fail(self, error: ArtifactdError, siblings: trio.CancelScope) -> None:
        # Raised inside a nursery it would arrive as a group; the first error is the one to tell.
        self._failure = self._failure or error
        siblings.cancel()

    async def _store_batch(self, batch: Batch, claim: int, siblings: trio.CancelScope) -> None:
        submission = self._submission
        try:
            hashed = await self._patiently(partial(self._ingest._hasher.hash, batch, self._files, submission.uid))
            raw = b"".join(bytes.fromhex(digest_hex(file.digest)) for file in hashed)
            self._digests[batch.first * _DIGEST_BYTES : batch.first * _DIGEST_BYTES + len(raw)] = raw
            blobs = [self._blob(file) for file in hashed]
            await self._ingest._uploader.ensure(submission.entity, blobs, self)
            submission.files_done += len(batch.entries)
            submission.bytes_done += batch.size
        except ArtifactdError as error:
            self._fail(error, siblings)
        finally:
            self._ingest._budget.release(claim)

    def _blob(self, hashed: Hashed) -> Blob:
        entry = hashed.entry
        return Blob(hashed.digest, entry.size, entry.path, hashed.data, partial(self._open, entry))

    @asynccontextmanager
    async def _open(self, entry: DraftEntry) -> AsyncIterator[Source]:
        fd = await self._patiently(partial(trio.to_thread.run_sync, self._files.open, entry))
        try:
            yield FileSource(fd, entry.offset, entry.size)
            await trio.to_thread.run_sync(self._files.check_unchanged, entry, fd)
        finally:
            os.close(fd)

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

    def _build_manifest(self) -> BinaryIO:
        """Write the canonical manifest, from the drafted entries and their digests, to an unnamed file."""
        with ExitStack() as stack:
            file = stack.enter_context(self._unnamed_file())
            for piece in pack_manifest(self._entries()):
                file.write(piece)
            file.flush()
            stack.pop_all()
        return file

    def _unnamed_file(self) -> BinaryIO:
        # In memory while it is small: committing what was accepted must not need room on a full disk.
        if self._submission.files <= _FILES_IN_MEMORY:
            return open(os.memfd_create("manifest"), "w+b")
        return tempfile.TemporaryFile(dir=self._ingest._home)

    def _entries(self) -> Iterator[Entry]:
        for index, entry in enumerate(self._files.entries()):
            raw = self._digests[index * _DIGEST_BYTES : (index + 1) * _DIGEST_BYTES]
            yield Entry(entry.path, digest_of(bytes(raw)), entry.size)

    async def _store_manifest(self, file: BinaryIO) -> None:
        digest, size = await trio.to_thread.run_sync(_digest_file, file)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Source]:
            yield FileSource(file.fileno(), 0, size)

        blob = Blob(digest, size, "manifest", None, opened)
        await self._ingest._uploader.ensure(self._submission.entity, [blob], self)
        await trio.lowlevel.checkpoint_if_cancelled()
        self._ingest._queue.ready(self._submission, digest)


def _digest_file(file: BinaryIO) -> tuple[str, int]:
    file.seek(0)
    hash = blake3()
    while piece := file.read(1 << 20):
        hash.update(piece)
    return digest_of(hash.digest()), file.tell()
