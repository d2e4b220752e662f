"""Reading and hashing, in threads. Small files stay in memory, so that one read serves their upload too."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
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
    data: memoryview | None


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
            for run in _runs(batch.entries):
                with reading(run[0]):
                    known = self._known(run[0], files, uid)
                    hashed += [known] if known else _read_and_hash(run, files, opener.open(run[0]))
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


def _runs(entries: Iterable[DraftEntry]) -> Iterator[list[DraftEntry]]:
    """Entries that follow each other in one spool file are read at once; a file read in place is a run of its own.

    Each read waits for the interpreter's lock, which the thread that uploads holds most of the time.
    """
    run: list[DraftEntry] = []
    for entry in entries:
        if run and not _follows(run[-1], entry):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _follows(last: DraftEntry, entry: DraftEntry) -> bool:
    return (
        last.identity is None
        and entry.identity is None
        and entry.source == last.source
        and entry.offset == last.offset + last.size
    )


def _read_and_hash(run: Sequence[DraftEntry], files: SubmissionFiles, fd: int) -> Iterator[Hashed]:
    data = memoryview(_read_run(run, fd))
    files.check_unchanged(run[0], fd)
    for entry in run:
        piece = data[entry.offset - run[0].offset :][: entry.size]
        yield Hashed(entry, digest_of(blake3(piece).digest()), piece)


def _seen_in_place(hashed: Sequence[Hashed]) -> list[tuple[Identity, str]]:
    return [(file.entry.identity, file.digest) for file in hashed if file.entry.identity is not None]


def _read_run(run: Sequence[DraftEntry], fd: int) -> bytes:
    """All bytes of a run of small entries."""
    start, size = run[0].offset, sum(entry.size for entry in run)
    data = os.pread(fd, size, start)
    while len(data) < size:
        more = os.pread(fd, size - len(data), start + len(data))
        if not more:
            cut = next(entry for entry in run if entry.offset + entry.size > start + len(data))
            raise ArtifactFailed(
                f"ends after {start + len(data) - cut.offset} of {cut.size} bytes", subject=cut.path
            )
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
