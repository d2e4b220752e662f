"""A directory of the spool into which the daemon puts what is fetched."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from artifactd.client._link import Link
from artifactd.client._spool import SpoolDirectory
from artifactd.protocol.messages import Fetch, Fetched, FetchManifest

__all__ = ["Landing"]

_PATIENCE = 10.0
"""Seconds that the daemon may hold back one answer while blobs arrive."""


class Landing(SpoolDirectory):
    """Removed with what is left in it when the block ends."""

    def __init__(self, link: Link) -> None:
        # Nothing is written here by us: how much of the disk it may cost is the daemon's to decide.
        super().__init__(replace(link.welcome(), reserve=0))
        self._link = link

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def fetch(self, request: Fetch | FetchManifest, check: Callable[[], None] = lambda: None) -> frozenset[str]:
        """Wait until everything asked for has landed; `check` is called now and then, and may raise.

        Returns the names of those files whose digests the daemon has just computed.

        Raises what the daemon says, and `DaemonUnavailable`.
        """
        while not (fetched := self._link.request(request, Fetched, patience=_PATIENCE)).done:
            check()
        return frozenset(fetched.verified)

    def empty(self) -> None:
        """Remove what has landed."""
        for name in os.listdir(self.fd):
            self.unlink(name)

    def new_file_mode(self) -> int:
        """The mode that a new file of this process gets."""
        # The umask cannot be read without changing it for every thread; a new file shows it.
        fd = os.open("mode", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=self.fd)
        try:
            return os.fstat(fd).st_mode & 0o777
        finally:
            os.close(fd)
            self.unlink("mode")
