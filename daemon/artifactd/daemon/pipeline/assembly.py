"""The manifest of one submission, out of what its entries are: stored files, references, parts of a base."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import BinaryIO

import trio

from artifactd.daemon.pipeline.bases import Bases, carry
from artifactd.daemon.pipeline.drafted import Drafted
from artifactd.daemon.pipeline.found_entries import FoundEntries
from artifactd.daemon.pipeline.manifest_files import ManifestFiles
from artifactd.daemon.pipeline.resolving import resolve
from artifactd.daemon.pipeline.uploader import Progress
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.references import References
from artifactd.protocol.manifest import Entry, check_order, read_manifest

__all__ = ["Assembler"]

_CHECKED_AT_ONCE = 10_000

Stream = Callable[[], Iterable[Entry]]
"""Entries that ascend by their paths, from the beginning each time."""


@dataclass(frozen=True, slots=True)
class Assembler:
    """Builds manifests for all submissions."""

    queue: Queue
    references: References
    bases: Bases
    files: ManifestFiles

    async def build(
        self,
        submission: Submission,
        drafted: Drafted,
        base: tuple[str, str, int] | None,
        stored: Stream,
        progress: Progress,
    ) -> BinaryIO:
        """The canonical manifest in an unnamed file, which the caller closes; the submission's totals follow it.

        Raises `ArtifactdError` where an entry cannot be had, `OSError` in a shortage: build it anew then.
        """
        with ExitStack() as stack:
            streams: list[Stream] = [stored]
            if drafted.references:
                found = stack.enter_context(closing(FoundEntries()))
                await self._resolve(submission, drafted, found, progress)
                streams.append(lambda: found)
            if drafted.carried:
                assert base is not None
                manifest = stack.enter_context(await self.bases.open(submission.entity, base, progress))
                await self._check_blobs(submission.entity, drafted, manifest, base)
                streams.append(partial(_carried, drafted, manifest))
            return await trio.to_thread.run_sync(self._write, streams, submission.files)

    async def _resolve(
        self, submission: Submission, drafted: Drafted, found: FoundEntries, progress: Progress
    ) -> None:
        progress.waiting("what it refers to: looking it up")
        asker = Asker(submission.uid, submission.entity)
        await resolve(self.references, drafted.referring(), asker, found)
        progress.waiting(None)
        self.queue.resize(
            submission,
            drafted.files - drafted.references + found.files,
            drafted.size - drafted.referred_size + found.size,
        )

    async def _check_blobs(
        self, entity: str, drafted: Drafted, manifest: BinaryIO, base: tuple[str, str, int]
    ) -> None:
        entries = iter(_carried(drafted, manifest))
        while some := await trio.to_thread.run_sync(lambda: list(islice(entries, _CHECKED_AT_ONCE))):
            digests = {entry.digest for entry in some if entry.reference is None}
            await self.bases.locate(entity, digests, f"{entity}/{base[0]}/{base[1]}:v{base[2]}")

    def _write(self, streams: Sequence[Stream], files: int) -> BinaryIO:
        return self.files.write(_merged([stream() for stream in streams]), files)


def _carried(drafted: Drafted, manifest: BinaryIO) -> Iterator[Entry]:
    manifest.seek(0)
    return carry(drafted.from_base(), read_manifest(manifest))


def _merged(streams: Sequence[Iterable[Entry]]) -> Iterable[Entry]:
    if len(streams) == 1:
        return streams[0]
    # Code point order is the order of UTF-8 bytes. Objects of a prefix may collide with anything.
    return check_order(merge(*streams, key=attrgetter("path")))
