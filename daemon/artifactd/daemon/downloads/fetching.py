"""Answering `FetchManifest` and `Fetch`: blobs of one version, verified, put where the client can take them.

A fetch is a job of the daemon's: the client polls for its end, and a client that asks again, after a dropped
reply or a restart of the daemon, finds what has landed already.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import CatalogUnavailable
from artifactd.daemon.downloads.blobs import Blobs
from artifactd.daemon.downloads.manifests import find_entries, keep_newest
from artifactd.daemon.downloads.referenced import Referenced
from artifactd.daemon.downloads.transfer import FULL, Blob
from artifactd.daemon.queue.spool import open_directory
from artifactd.daemon.references.base import Asker
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactdError, ArtifactNotFound, InvalidRequest, OutOfSpace
from artifactd.protocol.manifest import Entry, digest_hex

__all__ = ["Downloads"]

POLL_SECONDS = 5.0
MANIFESTS_KEPT = 64
_CHUNK = 1 << 20


@dataclass(slots=True, eq=False)
class _Job:
    done: trio.Event = field(default_factory=trio.Event)
    bytes_done: int = 0
    verified: list[str] = field(default_factory=list)
    error: ArtifactdError | CatalogUnavailable | None = None


class Downloads:
    """Fetches for all clients of the daemon."""

    def __init__(
        self, *, blobs: Blobs, referenced: Referenced, catalog: Catalog, manifests: Path, spool: Path
    ) -> None:
        self._blobs = blobs
        self._referenced = referenced
        self._catalog = catalog
        self._manifests = manifests
        self._manifests.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._spool = spool
        self._jobs: dict[tuple[int, messages.Fetch | messages.FetchManifest], _Job] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the jobs until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def manifest(self, uid: int, request: messages.FetchManifest) -> messages.Fetched:
        """Put the version's manifest into `landing` as `manifest`."""
        return await self._poll(uid, request, partial(self._land_manifest, request))

    async def blobs(self, uid: int, request: messages.Fetch) -> messages.Fetched:
        """Put what is at `paths` into `landing`, each under its `landing_name`."""
        if len(request.paths) > messages.MAX_FETCH_PATHS:
            raise InvalidRequest(f"a fetch names at most {messages.MAX_FETCH_PATHS} paths")
        return await self._poll(uid, request, partial(self._land_entries, Asker(uid, request.entity), request))

    async def _poll(
        self,
        uid: int,
        request: messages.Fetch | messages.FetchManifest,
        work: Callable[[int, _Job], Awaitable[None]],
    ) -> messages.Fetched:
        job = self._jobs.get((uid, request))
        if job is None:
            assert self._nursery is not None
            landing = open_directory(self._spool, request.landing, uid)
            job = self._jobs[uid, request] = _Job()
            self._nursery.start_soon(self._run_job, uid, request, job, landing, work)
        with trio.move_on_after(POLL_SECONDS):
            await job.done.wait()
        if job.error is not None:
            raise job.error
        if not job.done.is_set():
            return messages.Fetched(done=False, bytes_done=job.bytes_done)
        return messages.Fetched(done=True, bytes_done=job.bytes_done, verified=tuple(job.verified))

    async def _run_job(
        self,
        uid: int,
        request: messages.Fetch | messages.FetchManifest,
        job: _Job,
        landing: int,
        work: Callable[[int, _Job], Awaitable[None]],
    ) -> None:
        try:
            await work(landing, job)
        except (ArtifactdError, OSError) as error:
            job.error = _told(error, request.landing)
        except CatalogUnavailable as error:
            job.error = error
        finally:
            os.close(landing)
            job.done.set()
            del self._jobs[uid, request]

    async def _land_manifest(self, request: messages.FetchManifest, landing: int, job: _Job) -> None:
        path = await self._local_manifest(request)
        await trio.to_thread.run_sync(_copy, path, landing, "manifest")
        job.bytes_done = path.stat().st_size

    async def _land_entries(self, asker: Asker, request: messages.Fetch, landing: int, job: _Job) -> None:
        path = await self._local_manifest(request)
        with path.open("rb") as file:
            entries = await trio.to_thread.run_sync(find_entries, file, request.paths)
        stored = {entry.digest for entry in entries if entry.reference is None}
        blobs = await self._locate(request.entity, stored) if stored else []

        def landed(arrived: Blob | Entry) -> None:
            job.bytes_done += arrived.size

        referring = [entry for entry in entries if entry.reference is not None]
        await self._referenced.land(referring, landing, asker=asker, landed=landed)
        fetched = await self._blobs.land(blobs, landing, skip_cache=request.skip_cache, landed=landed)
        job.verified += [blob.name for blob in fetched]

    async def _local_manifest(self, request: messages.Fetch | messages.FetchManifest) -> Path:
        version = await trio.to_thread.run_sync(
            self._catalog.version, request.entity, request.project, request.name, f"v{request.version}"
        )
        path = self._manifests / digest_hex(version.digest)
        if path.exists():
            os.utime(path)
            return path
        blobs = await self._locate(request.entity, {version.digest})
        directory = os.open(self._manifests, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            await self._blobs.land(blobs, directory, skip_cache=False, landed=lambda _: None)
        finally:
            os.close(directory)
        await trio.to_thread.run_sync(keep_newest, self._manifests, MANIFESTS_KEPT)
        return path

    async def _locate(self, entity: str, digests: set[str]) -> list[Blob]:
        locations = await trio.to_thread.run_sync(self._catalog.known_blobs, entity, digests)
        if lost := digests - locations.keys():
            raise ArtifactNotFound("the catalog has no location for this blob", subject=min(lost))
        return [Blob(digest, location) for digest, location in locations.items()]


def _told(error: ArtifactdError | OSError, landing: str) -> ArtifactdError:
    """What the client is told. The landing directory is its own: it may remove it or fill the disk at any time."""
    if isinstance(error, ArtifactdError):
        return error
    kind = OutOfSpace if error.errno in FULL else ArtifactdError
    return kind(f"cannot be put into the spool: {error.strerror}", subject=landing)


def _copy(source: Path, directory: int, name: str) -> None:
    part = f".{name}.{os.urandom(4).hex()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    with os.fdopen(fd, "wb") as target, source.open("rb") as content:
        shutil.copyfileobj(content, target, _CHUNK)
    os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
