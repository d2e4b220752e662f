"""The wire checksum, CRC64NVME: computed while a source is read, and as it stands in a header."""

from __future__ import annotations

import base64
import binascii

from awscrt.checksums import crc64nvme

from artifactd.daemon.stores.base import Source
from artifactd.daemon.stores.sources import IdentityHash, read_exactly

__all__ = ["decoded", "encoded", "read_and_hash"]


def encoded(crc: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode()


def decoded(text: str | None) -> int | None:
    """The checksum of all bytes of a body; None if there is none, or only one of its parts' checksums (`…-3`)."""
    try:
        raw = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return None
    return int.from_bytes(raw, "big") if len(raw) == 8 else None


def read_and_hash(source: Source, buffer: memoryview, offset: int, key: str, identity: IdentityHash) -> int:
    """Fill `buffer` in a worker thread, feed `identity`, and return the CRC64NVME."""
    crc = 0

    def visit(piece: memoryview) -> None:
        nonlocal crc
        identity.update(piece)
        crc = crc64nvme(piece, crc)

    read_exactly(source, buffer, offset, key, visit)
    return crc
