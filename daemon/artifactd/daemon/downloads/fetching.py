"""Answering `FetchManifest` and `Fetch`: blobs of one version, verified, put where the client can take them.

A fetch is a job of the daemon's: the client polls for its end, and a client that asks again, after a dropped
reply or a restart of the daemon, finds what has landed already.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio
from blake3 import blake3

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import BlobLocation, CatalogUnavailable
from artifactd.daemon.downloads.manifests import find_entries, keep_newest
from artifactd.daemon.queue.spool import open_directory
from artifactd.daemon.stores.base import Kind, Store, StoreError
from artifactd.daemon.stores.retry import delay
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactdError, ArtifactNotFound, CorruptDownload, InvalidRequest, OutOfSpace
from artifactd.protocol.manifest import digest_hex, digest_of

__all__ = ["Downloads"]

POLL_SECONDS = 5.0
MAX_ATTEMPTS = 6
MANIFESTS_KEPT = 64
_AT_ONCE = 16
_CHUNK = 1 << 20


@dataclass(slots=True, eq=False)
class _Job:
    done: trio.Event = field(default_factory=trio.Event)
    bytes_done: int = 0
    error: ArtifactdError | None = None


class Downloads:
    """Fetches for all clients of the daemon."""

    def __init__(self, *, store: Store, catalog: Catalog, cache: Path, spool: Path) -> None:
        self._store = store
        self._catalog = catalog
        self._manifests = cache / "manifests"
        self._manifests.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._spool = spool
        self._jobs: dict[tuple[int, messages.Fetch | messages.FetchManifest], _Job] = {}
        self._free = trio.CapacityLimiter(_AT_ONCE)
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
        """Put the blobs of `paths` into `landing`, each under its digest's hex."""
        if len(request.paths) > messages.MAX_FETCH_PATHS:
            raise InvalidRequest(f"a fetch names at most {messages.MAX_FETCH_PATHS} paths")
        return await self._poll(uid, request, partial(self._land_blobs, request))

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
        return messages.Fetched(done=job.done.is_set(), bytes_done=job.bytes_done)

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
            job.error = ArtifactdError(f"the catalog does not answer: {error}", remedy="try again later")
        finally:
            os.close(landing)
            job.done.set()
            del self._jobs[uid, request]

    async def _land_manifest(self, request: messages.FetchManifest, landing: int, job: _Job) -> None:
        path = await self._local_manifest(request)
        await trio.to_thread.run_sync(_copy, path, landing, "manifest")
        job.bytes_done = path.stat().st_size

    async def _land_blobs(self, request: messages.Fetch, landing: int, job: _Job) -> None:
        path = await self._local_manifest(request)
        with path.open("rb") as file:
            entries = await trio.to_thread.run_sync(find_entries, file, request.paths)
        sizes = {entry.digest: entry.size for entry in entries}
        locations = await trio.to_thread.run_sync(self._catalog.known_blobs, request.entity, list(sizes))
        failures: list[ArtifactdError] = []

        async def land(digest: str, siblings: trio.CancelScope) -> None:
            try:
                await self._fetch(locations.get(digest), digest, landing, digest_hex(digest))
                job.bytes_done += sizes[digest]
            except (ArtifactdError, OSError) as error:
                failures.append(_told(error, request.landing))
                siblings.cancel()

        async with trio.open_nursery() as nursery:
            for digest in sizes:
                nursery.start_soon(land, digest, nursery.cancel_scope)
        if failures:
            raise failures[0]

    async def _local_manifest(self, request: messages.Fetch | messages.FetchManifest) -> Path:
        version = await trio.to_thread.run_sync(
            self._catalog.version, request.entity, request.project, request.name, f"v{request.version}"
        )
        path = self._manifests / digest_hex(version.digest)
        if path.exists():
            os.utime(path)
            return path
        locations = await trio.to_thread.run_sync(self._catalog.known_blobs, request.entity, [version.digest])
        directory = os.open(self._manifests, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            await self._fetch(locations.get(version.digest), version.digest, directory, path.name)
        finally:
            os.close(directory)
        await trio.to_thread.run_sync(keep_newest, self._manifests, MANIFESTS_KEPT)
        return path

    async def _fetch(self, location: BlobLocation | None, digest: str, directory: int, name: str) -> None:
        """Bring one blob into `directory` as `name`, verified, unless it is there."""
        if location is None:
            raise ArtifactNotFound("the catalog has no location for this blob", subject=digest)
        if await trio.to_thread.run_sync(_exists, directory, name):
            return
        attempt = 0
        async with self._free:
            while True:
                attempt += 1
                try:
                    async with _part_file(directory, name) as fd:
                        await self._store.get(location.key, fd, offset=location.offset, length=location.length)
                        await trio.to_thread.run_sync(_verify, fd, digest)
                    return
                except StoreError as error:
                    await self._pause(error, attempt, digest)

    async def _pause(self, error: StoreError, attempt: int, digest: str) -> None:
        seconds = delay(error.kind, attempt, random.random())
        if seconds is None or attempt >= MAX_ATTEMPTS:
            kind = CorruptDownload if error.kind is Kind.CORRUPT else ArtifactdError
            raise kind(f"the store did not deliver it: {error.reason}", subject=digest) from error
        await trio.sleep(seconds)


def _told(error: ArtifactdError | OSError, landing: str) -> ArtifactdError:
    """What the client is told. The landing directory is its own: it may remove it or fill the disk at any time."""
    if isinstance(error, ArtifactdError):
        return error
    kind = OutOfSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else ArtifactdError
    return kind(f"cannot be put into the spool: {error.strerror}", subject=landing)


@asynccontextmanager
async def _part_file(directory: int, name: str) -> AsyncIterator[int]:
    """A new file that becomes `name` only when the block ends well."""
    part = f".{name}.{os.urandom(4).hex()}"
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        yield fd
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=directory)
        raise
    finally:
        os.close(fd)


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _verify(fd: int, digest: str) -> None:
    hash = blake3()
    offset = 0
    while piece := os.pread(fd, _CHUNK, offset):
        hash.update(piece)
        offset += len(piece)
    if digest_of(hash.digest()) != digest:
        raise StoreError(Kind.CORRUPT, "get", digest, "the bytes in the store are not what its digest says")


def _copy(source: Path, directory: int, name: str) -> None:
    if _exists(directory, name):
        return
    part = f".{name}.{os.urandom(4).hex()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    with os.fdopen(fd, "wb") as target, source.open("rb") as content:
        shutil.copyfileobj(content, target, _CHUNK)
    os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
