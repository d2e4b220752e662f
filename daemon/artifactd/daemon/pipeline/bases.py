"""The version that a submission was made from: its manifest, and what the submission keeps of it."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.manifest_files import ManifestFiles, digest_file
from artifactd.daemon.pipeline.uploader import Progress
from artifactd.daemon.stores.base import Kind, Store, StoreError
from artifactd.daemon.stores.retry import delay
from artifactd.protocol.errors import ArtifactFailed, ArtifactNotFound, InvalidRequest
from artifactd.protocol.manifest import DraftEntry, Entry

__all__ = ["Bases", "carry"]


class Bases:
    """Reads committed manifests for the pipeline, and outlives outages of the store as uploads do."""

    def __init__(self, store: Store, catalog: Catalog, calls: CatalogCalls, files: ManifestFiles) -> None:
        self._store = store
        self._catalog = catalog
        self._calls = calls
        self._files = files

    async def open(self, entity: str, base: tuple[str, str, int], progress: Progress) -> BinaryIO:
        """The manifest of a live version, verified, in an unnamed file that the caller closes.

        Raises `ArtifactFailed` for a version that is not there any more.
        """
        project, name, number = base
        subject = f"{entity}/{project}/{name}:v{number}"
        try:
            version = await self._calls.in_thread(
                partial(self._catalog.version, entity, project, name, f"v{number}")
            )
        except ArtifactNotFound as error:
            raise ArtifactFailed(
                f"the version it was made from is gone: {error.message}",
                subject=subject,
                remedy="make the draft anew from a version that exists",
            ) from error
        known = await self.locate(entity, {version.digest}, subject)
        file = self._files.new(version.files)
        try:
            await self._fetch(known[version.digest], version.digest, file, progress)
        except BaseException:
            file.close()
            raise
        return file

    async def locate(self, entity: str, digests: set[str], subject: str) -> dict[str, BlobLocation]:
        """Where the blobs of a base are. Raises `ArtifactFailed` unless the catalog has them all."""
        known = await self._calls.in_thread(partial(self._catalog.reuse_blobs, entity, digests))
        if lost := digests - known.keys():
            raise ArtifactFailed(
                f"the store has lost {min(lost)} of the version it was made from", subject=subject
            )
        return known

    async def _fetch(self, location: BlobLocation, digest: str, file: BinaryIO, progress: Progress) -> None:
        failures: Counter[Kind] = Counter()
        while True:
            os.ftruncate(file.fileno(), 0)
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            try:
                await self._store.get(location.key, file.fileno(), offset=location.offset, length=location.length)
                if (await trio.to_thread.run_sync(digest_file, file))[0] != digest:
                    raise StoreError(
                        Kind.CORRUPT, "get", digest, "the bytes in the store are not what its digest says"
                    )
            except StoreError as error:
                failures[error.kind] += 1
                seconds = delay(error.kind, failures[error.kind], random.random())
                if seconds is None:
                    raise ArtifactFailed(
                        f"the manifest of the version it was made from cannot be read: {error.reason}",
                        subject=digest,
                    ) from error
                progress.waiting(f"the store: {error.reason}")
                await trio.sleep(seconds)
            else:
                progress.waiting(None)
                return


def carry(drafted: Iterable[DraftEntry], base: Iterable[Entry]) -> Iterator[Entry]:
    """The base's entries at the drafted paths; both ascend. Raises `InvalidRequest` for one that is not there.

    A drafted entry says nothing about its contents: what the base has under that path is what is meant.
    """
    entries = iter(base)
    for wanted in drafted:
        found = next((entry for entry in entries if entry.path >= wanted.path), None)
        if found is None or (found.path, found.size) != (wanted.path, wanted.size):
            raise InvalidRequest("the version it was made from has no such entry", subject=wanted.path)
        yield found
