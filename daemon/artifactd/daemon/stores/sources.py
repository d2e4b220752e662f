"""The two kinds of bytes that are uploaded: a buffer in memory and a range of an open file."""

from __future__ import annotations

import os
from collections.abc import Callable

from blake3 import blake3

from artifactd.daemon.stores.base import Kind, Source, StoreError
from artifactd.protocol.manifest import digest_of

__all__ = ["BytesSource", "Checksum", "FileSource", "Hashes", "IdentityHash", "read_exactly"]

Checksum = Callable[[bytes | memoryview, int], int]
"""The checksum of bytes that follow those of the one given."""

READ_STEP = 1 << 20
"""Bytes read before they are hashed: they are still in the processor's cache then."""


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")

    @property
    def size(self) -> int:
        return len(self._data)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        piece = self._data[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)


class FileSource:
    """`size` bytes from `base` on of an open file, which the caller owns and keeps open during the upload."""

    def __init__(self, fd: int, base: int, size: int) -> None:
        self._fd = fd
        self._base = base
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    def read_into(self, buffer: memoryview, offset: int) -> int:
        wanted = max(0, min(len(buffer), self._size - offset))
        got = 0
        while got < wanted:
            read = os.preadv(self._fd, [buffer[got:wanted]], self._base + offset + got)
            if not read:
                break
            got += read
        return got


class IdentityHash:
    """The digest of the bytes that really left, checked against the one they were promised under."""

    def __init__(self) -> None:
        self._hash = blake3()

    def update(self, data: memoryview) -> None:
        self._hash.update(data)

    def so_far(self) -> bytes:
        """The raw BLAKE3 of everything up to here."""
        return self._hash.digest()

    def check(self, key: str, digest: str) -> None:
        """Raise `CORRUPT` unless what was hashed is `digest`."""
        found = digest_of(self._hash.digest())
        if found != digest:
            raise StoreError(Kind.CORRUPT, "put", key, f"the source's bytes are {found}, not {digest}")


def read_exactly(
    source: Source, buffer: memoryview, offset: int, key: str, visit: Callable[[memoryview], object]
) -> None:
    """Fill `buffer` from `offset` on, showing each piece to `visit` in order. Blocking: for worker threads.

    A source that ends early or cannot be read raises `CORRUPT`: it is not what was hashed.
    """
    for start in range(0, len(buffer), READ_STEP):
        piece = buffer[start : start + READ_STEP]
        try:
            read = source.read_into(piece, offset + start)
        except OSError as error:
            raise StoreError(Kind.CORRUPT, "put", key, f"the source cannot be read: {error.strerror}") from error
        if read < len(piece):
            raise StoreError(Kind.CORRUPT, "put", key, f"the source ends at byte {offset + start + read}")
        visit(piece)


class Hashes:
    """The digest, and the `checksum` of one kind, of what was read so far in the order of the file."""

    def __init__(self, kind: Checksum) -> None:
        self._kind = kind
        self._identity = IdentityHash()
        self.checksum = 0

    def read(self, source: Source, buffer: memoryview, offset: int, key: str) -> None:
        """Fill `buffer` from `offset` on. Blocking: for worker threads. Raises `CORRUPT`."""
        read_exactly(source, buffer, offset, key, self._update)

    def _update(self, piece: memoryview) -> None:
        self._identity.update(piece)
        self.checksum = self._kind(piece, self.checksum)

    def check(self, key: str, digest: str) -> None:
        """Raise `CORRUPT` unless what was read is `digest`."""
        self._identity.check(key, digest)
