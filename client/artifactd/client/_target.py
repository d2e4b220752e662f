"""A directory that a download writes into, and never out of."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from blake3 import blake3

from artifactd.client._snapshot import copy_file
from artifactd.protocol.errors import CorruptDownload, InvalidRequest
from artifactd.protocol.manifest import Entry, digest_of

__all__ = ["Target", "digest_of_file"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
_BUFFER = 1 << 20
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY})


class Target:
    """The tree below `root`, which is made if need be. `root` may be a link; nothing below it may.

    Owns descriptors: close it.
    """

    def __init__(self, root: str) -> None:
        os.makedirs(root, exist_ok=True)
        self._path = root
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parent = os.dup(self._root)
        self._parent_path = ""

    def close(self) -> None:
        os.close(self._root)
        os.close(self._parent)

    def has(self, entry: Entry) -> bool:
        """Whether the entry's file is there with the right content. Makes the directories it lies in."""
        parent, name = self._locate(entry.path)
        try:
            fd = os.open(name, _READ, dir_fd=parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link: replaced by the file, never followed
                return False
            raise
        try:
            status = os.fstat(fd)
            return (
                stat.S_ISREG(status.st_mode)
                and status.st_size == entry.size
                and digest_of_file(fd) == entry.digest
            )
        finally:
            os.close(fd)

    def place(self, entry: Entry, landing: int, blob: str, mode: int, *, last: bool) -> None:
        """Check the file `blob` of the directory `landing` and put it where the entry belongs, atomically.

        With `last`, the blob may be moved away. `mode` is given to the file. Raises `CorruptDownload`, and
        `InvalidRequest` if a directory is in its place.
        """
        parent, name = self._locate(entry.path)
        try:
            source = os.open(blob, _READ, dir_fd=landing)
        except FileNotFoundError as error:
            raise CorruptDownload("the daemon did not deliver the file", subject=entry.path) from error
        try:
            status = os.fstat(source)
            if status.st_size != entry.size or digest_of_file(source) != entry.digest:
                raise CorruptDownload(
                    "what arrived does not have the digest of the version",
                    subject=entry.path,
                    remedy="download again; if it happens again, the stored blob is damaged",
                )
            try:
                if last and _is_ours(status):
                    os.fchmod(source, mode)
                    if _rename(blob, landing, name, parent):
                        return
                _copy(source, status, name, parent, mode)
            except OSError as error:
                if error.errno not in _IN_THE_WAY:
                    raise
                raise InvalidRequest("a directory is in its place", subject=self._join(entry.path)) from error
        finally:
            os.close(source)

    def _locate(self, path: str) -> tuple[int, str]:
        directory, _, name = path.rpartition("/")
        if directory != self._parent_path:
            parent = self._open(directory)
            os.close(self._parent)
            self._parent, self._parent_path = parent, directory
        return self._parent, name

    def _open(self, directory: str) -> int:
        fd = os.dup(self._root)
        for part in directory.split("/") if directory else ():
            try:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=fd)
                child = os.open(part, _DIRECTORY, dir_fd=fd)
            except OSError as error:
                if error.errno not in _IN_THE_WAY:
                    raise
                raise InvalidRequest(
                    f"{part!r} is not a directory", subject=self._join(directory), remedy="remove the link or file"
                ) from error
            finally:
                os.close(fd)
            fd = child
        return fd

    def _join(self, path: str) -> str:
        return os.path.join(self._path, path)


def digest_of_file(fd: int) -> str:
    """The digest of a whole file, read by position."""
    hasher, buffer, offset = blake3(), bytearray(_BUFFER), 0
    view = memoryview(buffer)
    while count := os.preadv(fd, [buffer], offset):
        hasher.update(view[:count])
        offset += count
    return digest_of(hasher.digest())


def _is_ours(status: os.stat_result) -> bool:
    # A second hard link may be the daemon's own copy, which nobody may write to.
    return status.st_nlink == 1 and status.st_uid == os.geteuid()


def _rename(blob: str, landing: int, name: str, parent: int) -> bool:
    try:
        os.rename(blob, name, src_dir_fd=landing, dst_dir_fd=parent)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _copy(source: int, status: os.stat_result, name: str, parent: int, mode: int) -> None:
    part = f".artifactd-{os.urandom(8).hex()}"
    target = os.open(part, _NEW, 0o600, dir_fd=parent)
    try:
        copy_file(source, status, target, name)
        os.fchmod(target, mode)
        os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.unlink(part, dir_fd=parent)
        raise
    finally:
        os.close(target)
