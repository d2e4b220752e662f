"""The node's blobs, read where the daemon keeps them."""

from __future__ import annotations

import os
from contextlib import suppress

from artifactd.protocol.manifest import digest_hex

__all__ = ["NodeCache"]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NodeCache:
    """Blobs below `path`; there are none where the daemon does not let us read them (`path` empty).

    A blob may go at any moment; one that is open stays readable. Nothing in it is believed before its digest
    was computed.
    """

    def __init__(self, path: str) -> None:
        self._path = path + "/"

    def open(self, digest: str) -> int | None:
        """Open a blob, which counts as its use; the caller owns the descriptor. None if it is not there."""
        if self._path == "/":
            return None
        try:
            fd = os.open(self._file(digest), _READ)
        except FileNotFoundError:
            return None
        os.utime(fd)
        return fd

    def drop(self, digest: str) -> None:
        """This blob is damaged: the next fetch brings it anew."""
        if self._path:
            with suppress(FileNotFoundError):
                os.unlink(self._file(digest))

    def _file(self, digest: str) -> str:
        name = digest_hex(digest)
        return f"{self._path}/{name[:2]}/{name[2:]}"
