"""A directory of ours in the daemon's spool: made, locked while it is in use, handed over or removed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from artifactd.protocol.errors import InvalidRequest, OutOfSpace
from artifactd.protocol.messages import Welcome

__all__ = ["SpoolDirectory"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NEW = os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class SpoolDirectory:
    """`<spool>/<uid>-<random>`, mode 0700, under an flock that tells the daemon's sweeper that we live.

    It is removed with this object, at the latest when the process ends, unless `hand_over` was called.
    A forked child must not use its parent's: `check_owner`.
    """

    def __init__(self, welcome: Welcome) -> None:
        self.name = f"{os.getuid()}-{os.urandom(12).hex()}"
        self.path = os.path.join(welcome.spool, self.name)
        self._spool = welcome.spool
        self._reserve = welcome.reserve
        self._pid = os.getpid()
        with self.writing():
            self.require_space(0)
            os.mkdir(self.path, 0o700)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._release = weakref.finalize(self, os.close, self.fd)
        self._discard = weakref.finalize(self, _remove, self.path, self._pid)
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.device = os.fstat(self.fd).st_dev

    def check_owner(self) -> None:
        """Raise `InvalidRequest` in a forked child."""
        if os.getpid() != self._pid:
            raise InvalidRequest(
                "the artifact was begun before this process was forked, and belongs to its parent",
                remedy="make the artifact in the process that logs it",
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn a full disk or quota into `OutOfSpace`."""
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise self._out_of_space(error.strerror or "full") from error

    def require_space(self, size: int) -> None:
        """Raise `OutOfSpace` if `size` more bytes would eat into what the daemon keeps in reserve."""
        room = os.statvfs(self._spool)
        free = room.f_bavail * room.f_frsize
        if free - size < self._reserve:
            raise self._out_of_space(f"{free} bytes are free, {size} needed, {self._reserve} kept in reserve")

    def _out_of_space(self, reason: str) -> OutOfSpace:
        return OutOfSpace(
            f"no room in the spool: {reason}",
            subject=self._spool,
            remedy="free space, or wait until the daemon has uploaded what is queued",
        )

    @contextmanager
    def new_file(self, name: str) -> Iterator[int]:
        """Create a file and yield its descriptor, to be written. It goes again if the block fails."""
        with self.writing():
            fd = os.open(name, _NEW, 0o600, dir_fd=self.fd)
            try:
                yield fd
            except BaseException:
                self.unlink(name)
                raise
            finally:
                os.close(fd)

    def open(self, name: str) -> int:
        """Open a file for reading; the caller owns the descriptor."""
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self.fd)

    def unlink(self, name: str) -> None:
        os.unlink(name, dir_fd=self.fd)

    def hand_over(self, name: str) -> None:
        """Rename the directory; from here on it is the daemon's to remove. The lock stays until `release`."""
        path = os.path.join(self._spool, name)
        os.rename(self.path, path)
        self._discard.detach()
        self.name, self.path = name, path

    def release(self) -> None:
        """Give up the lock. The directory stays."""
        self._release()

    def discard(self) -> None:
        """Remove the directory now."""
        self._discard()
        self._release()


def _remove(path: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(path, ignore_errors=True)
