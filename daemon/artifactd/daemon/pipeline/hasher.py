"""Reading and hashing, in threads. Small files stay in memory, so that one read serves their upload too."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import trio
from blake3 import blake3

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.pipeline.batches import Batch
from artifactd.daemon.pipeline.digest_cache import DigestCache
from artifactd.daemon.queue.spool import SubmissionFiles, reading
from artifactd.protocol.errors import ArtifactFailed
from artifactd.protocol.manifest import DraftEntry, Identity, digest_of

__all__ = ["Hashed", "Hasher"]

_STEP = 4 << 20


@dataclass(frozen=True, slots=True)
class Hashed:
    """One entry and its digest; `data` is None where the bytes were not read or are too many to keep."""

    entry: DraftEntry
    digest: str
    data: bytes | None


class Hasher:
    """Hashes for all submissions, with at most one thread per processor."""

    def __init__(self, cache: DigestCache) -> None:
        self._cache = cache
        self._processors = trio.CapacityLimiter(max(2, os.cpu_count() or 1))

    async def hash(self, batch: Batch, files: SubmissionFiles, uid: int) -> list[Hashed]:
        """The digests of a batch, in order. Raises `ArtifactFailed`; cancelling takes effect between chunks."""
        work = self._hash_large if batch.is_large else self._hash_small
        return await trio.to_thread.run_sync(work, batch, files, uid, limiter=self._processors)

    def _hash_small(self, batch: Batch, files: SubmissionFiles, uid: int) -> list[Hashed]:
        hashed: list[Hashed] = []
        begun = time.time_ns()
        with _Opener(files) as opener:
            for entry in batch.entries:
                with reading(entry):
                    hashed.append(
                        self._known(entry, files, uid) or _read_and_hash(entry, files, opener.open(entry))
                    )
        reach(Point.MID_HASH)
        self._cache.add(uid, _seen_in_place(hashed), begun)
        return hashed

    def _hash_large(self, batch: Batch, files: SubmissionFiles, uid: int) -> list[Hashed]:
        (entry,) = batch.entries
        begun = time.time_ns()
        with reading(entry), _Opener(files) as opener:
            hashed = self._known(entry, files, uid)
            if hashed is None:
                fd = opener.open(entry)
                hashed = Hashed(entry, digest_of(_hash_file(entry, fd)), None)
                files.check_unchanged(entry, fd)
        self._cache.add(uid, _seen_in_place([hashed]), begun)
        return [hashed]

    def _known(self, entry: DraftEntry, files: SubmissionFiles, uid: int) -> Hashed | None:
        """An in-place file that was hashed before in exactly this state."""
        if entry.identity is None:
            return None
        files.stat_in_place(entry)
        digest = self._cache.find(uid, entry.identity)
        return None if digest is None else Hashed(entry, digest, None)


class _Opener:
    """Opens the files of a batch; small files that share a file share its descriptor."""

    def __init__(self, files: SubmissionFiles) -> None:
        self._files = files
        self._source: bytes | None = None
        self._fd = -1

    def open(self, entry: DraftEntry) -> int:
        if entry.source != self._source or entry.identity is not None:
            self.close()
            self._fd = self._files.open(entry)
            self._source = entry.source
        return self._fd

    def close(self) -> None:
        if self._source is not None:
            os.close(self._fd)
            self._source = None

    def __enter__(self) -> _Opener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read_and_hash(entry: DraftEntry, files: SubmissionFiles, fd: int) -> Hashed:
    data = _read_entry(entry, fd)
    files.check_unchanged(entry, fd)
    return Hashed(entry, digest_of(blake3(data).digest()), data)


def _seen_in_place(hashed: Sequence[Hashed]) -> list[tuple[Identity, str]]:
    return [(file.entry.identity, file.digest) for file in hashed if file.entry.identity is not None]


def _read_entry(entry: DraftEntry, fd: int) -> bytes:
    """All bytes of a small entry."""
    data = os.pread(fd, entry.size, entry.offset)
    while len(data) < entry.size:
        more = os.pread(fd, entry.size - len(data), entry.offset + len(data))
        if not more:
            raise ArtifactFailed(f"ends after {len(data)} of {entry.size} bytes", subject=entry.path)
        data += more
    return data


def _hash_file(entry: DraftEntry, fd: int) -> bytes:
    hash = blake3()
    buffer = memoryview(bytearray(min(_STEP, entry.size)))
    done = 0
    while done < entry.size:
        read = os.preadv(fd, [buffer[: entry.size - done]], entry.offset + done)
        if not read:
            raise ArtifactFailed(f"ends after {done} of {entry.size} bytes", subject=entry.path)
        hash.update(buffer[:read])
        done += read
        reach(Point.MID_HASH)
        trio.from_thread.check_cancelled()
    return hash.digest()
