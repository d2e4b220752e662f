"""The node's blobs on disk, bounded: the directory is the whole record, and survives a restart as it is.

    <root>/blobs/<aa>/<rest>    a whole blob by its digest, read-only; its mtime is when it was last used
    <root>/partial/<digest>     what has arrived of a blob so far; the next fetch goes on from there

A blob is handed out as a hard link. So a reader keeps its bytes whatever becomes of the cache's own name, and
a blob with a second link is being read: to evict it would free nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import trio

from artifactd.daemon.downloads.eviction import Found, oldest

__all__ = ["Cache"]

_SHARE_OF_DISK = 10
_SLACK = 20
"""A 20th of the limit is freed beyond what is needed, so that a full cache is not searched for each blob."""
_PATIENCE = 10.0
"""Seconds until the cache is searched again after everything in it was in use."""
_READ_ONLY = 0o444


class Cache:
    """Blobs below `root`, of `limit` bytes at most (default: a tenth of the disk).

    The disk keeps `reserve` bytes free, or nothing is added. Methods that are not coroutines block.
    """

    def __init__(self, root: Path, *, limit: int | None, reserve: int) -> None:
        self.blobs = root / "blobs"
        self._partial = root / "partial"
        for directory in (self.blobs, self._partial):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = os.statvfs(root)
        self.limit = disk.f_blocks * disk.f_frsize // _SHARE_OF_DISK if limit is None else limit
        self._reserve = reserve
        self._used: int | None = None
        self._arriving: dict[str, int] = {}
        self._making_room = trio.Lock()
        self._search_after = 0.0

    def hand_out(self, names: Sequence[str], landing: int) -> list[str]:
        """Link blobs, by their digests' hex, into the directory `landing`; returns those that are not here."""
        missing = []
        for name in names:
            path = self._path(name)
            try:
                os.link(path, name, dst_dir_fd=landing)
                os.utime(path)
            except FileExistsError:
                continue
            except FileNotFoundError:
                missing.append(name)
        return missing

    def has(self, name: str) -> bool:
        """Whether the blob is here: one look that does not wait."""
        return self._path(name).exists()

    async def admit(self, name: str, size: int) -> bool:
        """Make room for a blob that will arrive, least recently used first. False: it must not be kept.

        Call `arrived` when it is whole, or when it will not come.
        """
        if size > self.limit:
            return False
        async with self._making_room:
            if self._used is None or (self._lacking(size) > 0 and time.monotonic() >= self._search_after):
                await trio.to_thread.run_sync(self._make_room, size)
            if self._used is None or self._lacking(size) > 0:
                return False
            self._used += size
            self._arriving[name] = size
            return True

    async def make_room(self, size: int) -> None:
        """Free the disk of `size` bytes, as far as it goes, for what lands past the cache."""
        async with self._making_room:
            await trio.to_thread.run_sync(self._make_room, size)

    def arrived(self, name: str) -> None:
        """The blob that was admitted is here, or was given up."""
        del self._arriving[name]

    @contextmanager
    def part(self, name: str) -> Iterator[int]:
        """A descriptor of what has arrived of an admitted blob. It stays for the next time if the block fails."""
        path = self._partial / name
        with suppress(FileNotFoundError):
            path.chmod(0o600)  # it may have been about to be kept when we were killed
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            yield fd
        finally:
            os.close(fd)

    def keep(self, name: str, landing: int) -> None:
        """Take an admitted blob in, whose part is whole and checked, and hand it out to `landing`."""
        part, path = self._partial / name, self._path(name)
        part.chmod(_READ_ONLY)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            with suppress(FileExistsError):
                os.link(part, name, dst_dir_fd=landing)
        finally:
            # Whoever asked may be gone, and its directory too: others want the blob.
            part.replace(path)

    def discard_part(self, name: str) -> None:
        """Free what has arrived of a blob."""
        (self._partial / name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.blobs / name[:2] / name[2:]

    def _lacking(self, size: int) -> int:
        disk = os.statvfs(self.blobs)
        over = (self._used or 0) + size - self.limit
        # What was admitted has a claim on the disk, of which it may have taken a part already.
        wanted = self._reserve + size + sum(self._arriving.values())
        return max(over, wanted - disk.f_bavail * disk.f_frsize)

    def _make_room(self, size: int) -> None:
        arriving = dict(self._arriving)
        self._used = sum(arriving.values()) + sum(found.size for found, _ in self._files(arriving))
        lacking = self._lacking(size)
        if lacking <= 0:
            return
        free = (found for found, links in self._files(arriving) if links == 1)
        for found in oldest(free, lacking + self.limit // _SLACK):
            Path(found.path).unlink(missing_ok=True)
            self._used -= found.size
        if self._lacking(size) > 0:
            self._search_after = time.monotonic() + _PATIENCE

    def _files(self, arriving: dict[str, int]) -> Iterator[tuple[Found, int]]:
        """Every file but the parts of blobs that are arriving, and how many links it has."""
        with os.scandir(self.blobs) as shards:
            directories = [shard.path for shard in shards]
        for directory in (*directories, str(self._partial)):
            with os.scandir(directory) as files:
                for file in files:
                    if file.name in arriving:
                        continue
                    with suppress(FileNotFoundError):
                        status = file.stat(follow_symlinks=False)
                        yield Found(status.st_mtime_ns, status.st_size, file.path), status.st_nlink
