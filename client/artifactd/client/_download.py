"""Bringing files of a version home: out of the node's cache, else through the daemon, by several threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice

from artifactd.client._crew import share_out
from artifactd.client._link import Link
from artifactd.client._manifest import no_entry, open_manifest
from artifactd.client._porter import Errand, Porter
from artifactd.client._referenced import comes
from artifactd.protocol.manifest import Entry, read_manifest
from artifactd.protocol.messages import MAX_FETCH_PATHS, Version

__all__ = ["bring", "download"]

_BATCH_BYTES = 128 << 20
"""Of files fetched at once: what a download costs of the daemon's disk beside the cache."""
_BATCH_PATH_BYTES = 512 << 10
"""Of paths in one message."""
_SMALL = 128 << 10
"""Mean size of files from which on threads pay; smaller ones keep the interpreter's lock busy."""
_LANES = min(4, len(os.sched_getaffinity(0)))
"""So many threads carry at once."""


def download(link: Link, version: Version, root: str, prefix: str, *, linked: bool, skip_cache: bool) -> None:
    """See `Artifact.download`."""
    with open_manifest(link, version) as file:
        below = (entry for entry in read_manifest(file) if entry.path.startswith(prefix))
        first = list(islice(below, 1))
        if prefix and not first:
            file.seek(0)
            raise no_entry(f"no entry starts with {prefix!r}", version, prefix, file)
        wanted = filter(comes, chain(first, below))
        bring(Errand(link, version, root, linked=linked, skip_cache=skip_cache), wanted)


def bring(errand: Errand, entries: Iterable[Entry]) -> None:
    """Bring `entries`, which ascend, as the errand says. Raises as `Artifact.download` does."""
    batches = _batches(entries)
    first = list(islice(batches, 2))
    batches = chain(first, batches)
    if _LANES > 1 and len(first) > 1 and sum(entry.size for entry in first[0]) >= _SMALL * len(first[0]):
        share_out(batches, [partial(_lane, errand)] * _LANES)
    else:
        _work(errand, batches, lambda: None)


def _lane(errand: Errand, batches: Iterator[list[Entry]], check: Callable[[], None]) -> None:
    try:
        _work(errand, batches, check)
    finally:
        errand.link.close()


def _work(errand: Errand, batches: Iterator[list[Entry]], check: Callable[[], None]) -> None:
    with Porter(errand, check) as porter:
        for batch in batches:
            porter.bring(batch)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = paths = 0
    for entry in entries:
        size, paths = size + entry.size, paths + len(entry.path.encode())
        if batch and (len(batch) == MAX_FETCH_PATHS or size > _BATCH_BYTES or paths > _BATCH_PATH_BYTES):
            yield batch
            batch, size, paths = [], entry.size, len(entry.path.encode())
        batch.append(entry)
    if batch:
        yield batch
