"""Taking the bytes of a file as they are now: clone where the filesystem can, else copy, and prove it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from artifactd.protocol.errors import Denied, FileChanged, InvalidRequest
from artifactd.protocol.manifest import Identity

__all__ = ["copy_bytes", "copy_file", "identity", "open_regular", "read_small", "same_bytes"]

_FICLONE = 0x40049409
_CHUNK = 256 << 20
_BUFFER = 1 << 20
_ATTEMPTS = 5

_CANNOT_CLONE = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS})
_CANNOT_COPY_RANGE = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})

_no_clone: set[tuple[int, int]] = set()
"""Pairs of devices between which a clone was refused: not tried again."""


def open_regular(path: str) -> tuple[int, os.stat_result]:
    """Open a regular file for reading; the caller owns the descriptor.

    Raises `InvalidRequest` when it is missing or something else, `Denied` when it may not be read.
    """
    try:
        # A FIFO without a writer would block the open for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except PermissionError as error:
        raise Denied("the file may not be read", subject=path) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidRequest(f"cannot open the file: {reason}", subject=path) from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise InvalidRequest("not a regular file", subject=path)
    return fd, status


def identity(status: os.stat_result) -> Identity:
    """What of `fstat` changes whenever the contents do."""
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_small(fd: int, status: os.stat_result, path: str) -> bytes:
    """The whole of a small file, of one moment. `status` is its `fstat`. Raises `FileChanged`."""
    for _ in range(_ATTEMPTS):
        data = os.pread(fd, status.st_size + 1, 0)
        after = os.fstat(fd)
        if len(data) == status.st_size and identity(after) == identity(status):
            return data
        status = after
    raise _changing(path)


def copy_file(source: int, status: os.stat_result, target: int, path: str) -> int:
    """Make the empty file `target` a copy of `source` at one moment; returns its size.

    `status` is the `fstat` of `source`. Raises `FileChanged` when it changes during every attempt.
    """
    if _clone(source, status, target):
        return os.fstat(target).st_size
    for _ in range(_ATTEMPTS):
        copied = copy_bytes(source, target, status.st_size)
        after = os.fstat(source)
        if copied == status.st_size and identity(after) == identity(status):
            return copied
        os.ftruncate(target, 0)
        status = after
    raise _changing(path)


def _changing(path: str) -> FileChanged:
    return FileChanged(
        f"the file kept changing while it was copied {_ATTEMPTS} times",
        subject=path,
        remedy="add it when its writer is done",
    )


def _clone(source: int, status: os.stat_result, target: int) -> bool:
    devices = (status.st_dev, os.fstat(target).st_dev)
    if devices in _no_clone:
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT_CLONE:
            raise
        _no_clone.add(devices)
        return False
    return True


def copy_bytes(source: int, target: int, size: int) -> int:
    """Copy the first `size` bytes to the beginning of `target`; returns how many there were."""
    done = 0
    try:
        while done < size:
            count = os.copy_file_range(source, target, min(size - done, _CHUNK), done, done)
            if not count:
                break
            done += count
    except OSError as error:
        if error.errno not in _CANNOT_COPY_RANGE:
            raise
        while done < size and (data := os.pread(source, min(size - done, _BUFFER), done)):
            done += os.pwrite(target, data, done)
    return done


def same_bytes(one: int, one_offset: int, other: int, size: int) -> bool:
    """Whether `size` bytes of `one`, from `one_offset`, are the first `size` bytes of `other`."""
    for start in range(0, size, _BUFFER):
        count = min(_BUFFER, size - start)
        data = os.pread(one, count, one_offset + start)
        if len(data) != count or data != os.pread(other, count, start):
            return False
    return True
