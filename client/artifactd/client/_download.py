"""Fetching a version: the daemon lands blobs in the spool, the client checks them and moves them home."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from artifactd.client._link import Link
from artifactd.client._spool import SpoolDirectory
from artifactd.client._target import Target, digest_of_file
from artifactd.protocol.errors import CorruptDownload
from artifactd.protocol.manifest import Entry, digest_hex, read_manifest
from artifactd.protocol.messages import MAX_FETCH_PATHS, Fetch, Fetched, FetchManifest, Version

__all__ = ["download", "read_entries"]

_PATIENCE = 10.0
"""Seconds that the daemon may hold back one answer while blobs arrive."""
_BATCH_BYTES = 1 << 30
"""Of files landed at once: what a download costs of the spool."""
_BATCH_PATH_BYTES = 512 << 10
"""Of paths in one message."""


def download(link: Link, version: Version, root: str, prefix: str) -> None:
    """See `Artifact.download`."""
    with _landing(link) as landing, _manifest(link, version, landing) as entries:
        target = Target(root)
        try:
            wanted = (entry for entry in entries if entry.path.startswith(prefix) and not target.has(entry))
            mode = _new_file_mode(landing)
            for batch in _batches(wanted):
                _fetch(link, version, landing, batch)
                uses = Counter(entry.digest for entry in batch)
                for entry in batch:
                    uses[entry.digest] -= 1
                    target.place(entry, landing.fd, digest_hex(entry.digest), mode, last=not uses[entry.digest])
                _empty(landing)
        finally:
            target.close()


def read_entries(link: Link, version: Version) -> list[Entry]:
    """Every entry of the version, in order."""
    with _landing(link) as landing, _manifest(link, version, landing) as entries:
        return list(entries)


@contextmanager
def _landing(link: Link) -> Iterator[SpoolDirectory]:
    landing = SpoolDirectory(link.welcome())
    try:
        yield landing
    finally:
        landing.discard()


@contextmanager
def _manifest(link: Link, version: Version, landing: SpoolDirectory) -> Iterator[Iterator[Entry]]:
    request = FetchManifest(
        entity=version.entity,
        project=version.project,
        name=version.name,
        version=version.version,
        landing=landing.name,
    )
    while not link.request(request, Fetched, patience=_PATIENCE).done:
        pass
    with _open(landing) as file:
        if digest_of_file(file.fileno()) != version.digest:
            raise CorruptDownload(
                "the manifest that arrived does not have the version's digest",
                subject=f"{version.name}:v{version.version}",
            )
        yield read_manifest(file)


def _open(landing: SpoolDirectory) -> BinaryIO:
    return open(landing.open("manifest"), "rb")


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


def _fetch(link: Link, version: Version, landing: SpoolDirectory, batch: list[Entry]) -> None:
    request = Fetch(
        entity=version.entity,
        project=version.project,
        name=version.name,
        version=version.version,
        landing=landing.name,
        paths=tuple(entry.path for entry in batch),
    )
    while not link.request(request, Fetched, patience=_PATIENCE).done:
        pass


def _empty(landing: SpoolDirectory) -> None:
    for name in os.listdir(landing.fd):
        if name != "manifest":
            landing.unlink(name)


def _new_file_mode(landing: SpoolDirectory) -> int:
    # The umask cannot be read without changing it for every thread; a new file shows it.
    fd = os.open("mode", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=landing.fd)
    try:
        return os.fstat(fd).st_mode & 0o777
    finally:
        os.close(fd)
        landing.unlink("mode")
