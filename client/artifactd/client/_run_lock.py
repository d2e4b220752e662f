"""The file by which the daemon sees that a run's process lives: locked as long as it does."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import suppress

from artifactd.protocol.errors import OutOfSpace

__all__ = ["RunLock"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class RunLock:
    """`<directory>/<name>`, which names a run and is under a POSIX record lock of this process.

    The kernel frees the lock with the process, even by SIGKILL, and a forked child does not inherit it. It goes
    as well when this process closes *any* descriptor of the file: nothing else here may open it.
    """

    def __init__(self, directory: str, entity: str, project: str, id: str) -> None:
        """Raises `OutOfSpace`."""
        self.name = os.urandom(16).hex()
        self._path = os.path.join(directory, self.name)
        self._pid = os.getpid()
        draft = os.path.join(directory, f".{self.name}")
        try:
            # Nobody sees the file before it is locked and whole.
            self._fd = os.open(draft, _NEW, 0o600)
            try:
                # The daemon may be another user's, and this process's umask anything.
                os.fchmod(self._fd, 0o644)
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.write(self._fd, json.dumps({"entity": entity, "project": project, "id": id}).encode())
                os.rename(draft, self._path)
            except BaseException:
                os.close(self._fd)
                os.unlink(draft)
                raise
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise OutOfSpace(
                f"no room to start a run: {error.strerror}", subject=directory, remedy="free space"
            ) from error

    def remove(self) -> None:
        """The run has ended: take the file away. In a forked child it stays, and is its parent's."""
        if os.getpid() == self._pid:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            os.close(self._fd)

    def abandon(self) -> None:
        """Free the lock and leave the file: the daemon finds out whether there is a run to close."""
        os.close(self._fd)
