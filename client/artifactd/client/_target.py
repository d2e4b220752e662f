"""A directory that a download writes into, and never out of."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from blake3 import blake3

from artifactd.client._snapshot import copy_file
from artifactd.protocol.errors import ArtifactdError, Denied, InvalidRequest, OutOfSpace
from artifactd.protocol.manifest import DIGEST_ALGORITHM, Entry, digest_of

__all__ = ["Target", "digest_of_file"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
_READ_ONLY = 0o444
_BUFFER = 1 << 20
_SMALL = 256 << 10
"""A file of up to so many bytes is read once, for its digest and its copy."""
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY})
_NO_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.EACCES})
"""A link, a socket, a file that may not be read: replaced by the file, never followed."""
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOENT, errno.EOPNOTSUPP})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Target:
    """The tree below `root`, which is made if need be. `root` may be a link; nothing below it may.

    With `read_only`, files are put there as hard links to their sources, with mode 0444, where the filesystem
    can, else as read-only copies; else as copies with the mode of any new file.

    A file appears or changes atomically, and only with the content of its entry: the methods that put one
    return False, and change nothing, when the source does not hold it; of what was `verified` a moment ago only
    the size is looked at. They raise `InvalidRequest` if a directory is in its place, or a link or file in a
    directory's, and `OutOfSpace`.

    Owns descriptors: close it. For one thread.
    """

    def __init__(self, root: str, *, read_only: bool = False) -> None:
        self._path = root
        self._read_only = read_only
        self._parts = (f".artifactd-{os.urandom(8).hex()}-{number}" for number in count())
        self._is_new = not os.path.isdir(root)
        try:
            os.makedirs(root, exist_ok=True)
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _no_root(error, root) from error
        self._parent = os.dup(self._root)
        self._parent_path = ""

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._root)
        os.close(self._parent)

    def has(self, entry: Entry) -> bool:
        """Whether the entry's file is there with the right content. Makes the directories it lies in."""
        parent, name = self._locate(entry.path)
        if self._is_new:
            return False
        try:
            fd = os.open(name, _READ, dir_fd=parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno in _NO_FILE:
                return False
            raise
        try:
            return _holds(fd, entry)
        finally:
            os.close(fd)

    def put(self, entry: Entry, source: int, *, verified: bool = False) -> bool:
        """Put the content of the file `source` where the entry belongs."""
        parent, name = self._locate(entry.path)
        try:
            if entry.reference is not None:
                # A link would be to a file that is not ours.
                return self._copy(entry, source, name, parent, _READ_ONLY if self._read_only else 0o666, verified)
            if self._read_only:
                return self._link(entry, source, name, parent, verified)
            return self._copy(entry, source, name, parent, 0o666, verified)
        except OSError as error:
            raise self._told(error, entry) from error

    def take(
        self, entry: Entry, source: int, blob: str, landing: int, mode: int, *, verified: bool = False
    ) -> bool:
        """As `put`, but `source` is the file `blob` of the directory `landing` and may be moved away.

        `mode` is that of a new file of the user's.
        """
        if not _holds(source, entry, verified):
            return False
        parent, name = self._locate(entry.path)
        os.fchmod(source, _READ_ONLY if self._read_only else mode)
        try:
            os.rename(blob, name, src_dir_fd=landing, dst_dir_fd=parent)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return self.put(entry, source, verified=True)
            raise self._told(error, entry) from error
        return True

    def _told(self, error: OSError, entry: Entry) -> OSError | InvalidRequest:
        path = self._join(entry.path)
        if error.errno in _FULL:
            return OutOfSpace("the disk is full", subject=path)
        if error.errno in _IN_THE_WAY:
            return InvalidRequest("a directory is in its place", subject=path)
        return OSError(error.errno, error.strerror, path)

    def _copy(self, entry: Entry, source: int, name: str, parent: int, mode: int, verified: bool) -> bool:
        if entry.size > _SMALL or entry.reference is not None:
            if not _holds(source, entry, verified):
                return False
            status = os.fstat(source)
            self._write(name, parent, mode, lambda target: copy_file(source, status, target, entry.path))
            return True
        data = os.pread(source, entry.size + 1, 0)
        if digest_of(blake3(data).digest()) != entry.digest:
            return False
        self._write(name, parent, mode, lambda target: _write_all(target, data))
        return True

    def _write(self, name: str, parent: int, mode: int, fill: Callable[[int], object]) -> None:
        part = next(self._parts)
        # The umask takes from the mode, as from that of any new file.
        fd = os.open(part, _NEW, mode, dir_fd=parent)
        try:
            fill(fd)
            os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            os.unlink(part, dir_fd=parent)
            raise
        finally:
            os.close(fd)

    def _link(self, entry: Entry, source: int, name: str, parent: int, verified: bool) -> bool:
        if not _holds(source, entry, verified):
            return False
        part = next(self._parts)
        try:
            # By its descriptor: what was checked is what is linked.
            os.link(f"/proc/self/fd/{source}", part, dst_dir_fd=parent, follow_symlinks=True)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            return self._copy(entry, source, name, parent, _READ_ONLY, verified=True)
        try:
            os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            # It is still there if that failed, and if `name` was a link to the same file already.
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=parent)
        return True

    def _locate(self, path: str) -> tuple[int, str]:
        directory, _, name = path.rpartition("/")
        if directory != self._parent_path:
            parent = self._open(directory)
            os.close(self._parent)
            self._parent, self._parent_path = parent, directory
        return self._parent, name

    def _open(self, directory: str) -> int:
        fd = os.dup(self._root)
        self._is_new = False
        for part in directory.split("/") if directory else ():
            try:
                child, self._is_new = _open_directory(part, fd)
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


def _no_root(error: OSError, root: str) -> ArtifactdError:
    if error.errno in _FULL:
        return OutOfSpace("the disk is full", subject=root)
    if error.errno in _NOT_ALLOWED:
        return Denied(f"the directory cannot be made or opened: {error.strerror}", subject=root)
    problem = "it is not a directory" if error.errno in _IN_THE_WAY else f"it cannot be made: {error.strerror}"
    return InvalidRequest(problem, subject=root, remedy="choose another root")


def digest_of_file(fd: int, offset: int = 0, size: int = sys.maxsize) -> str:
    """The digest of a file, or of its `size` bytes from `offset` on, read by position."""
    hasher, view, end = blake3(), memoryview(bytearray(min(_BUFFER, size))), offset + size
    while count := os.preadv(fd, [view[: end - offset]], offset):
        hasher.update(view[:count])
        offset += count
    return digest_of(hasher.digest())


def _open_directory(name: str, parent: int) -> tuple[int, bool]:
    """Open a directory, made if need be; also tells whether it was."""
    is_new = False
    try:
        os.mkdir(name, dir_fd=parent)
        is_new = True
    except FileExistsError:
        pass
    return os.open(name, _DIRECTORY, dir_fd=parent), is_new


def _holds(fd: int, entry: Entry, verified: bool = False) -> bool:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return False
    if entry.reference is not None and not entry.digest and not entry.size:
        return True  # nothing is known of it
    if status.st_size != entry.size:
        return False
    if verified:
        return True
    if entry.reference is not None and not entry.digest.startswith(DIGEST_ALGORITHM):
        return True  # its checksum is its server's affair
    if entry.size <= _SMALL:
        return digest_of(blake3(os.pread(fd, entry.size, 0)).digest()) == entry.digest
    return digest_of_file(fd) == entry.digest


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
