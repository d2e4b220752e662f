"""Whether a part that lies on the server may stay there: a pure decision about one part of a resumed upload.

The server's word counts: a part that it does not list is sent, whatever was noted. What it lists is kept only if
it holds the bytes that the source has now.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from artifactd.daemon.stores.base import SentPart

__all__ = ["StoredPart", "Verdict", "judge"]


class StoredPart(NamedTuple):
    """A part as the server lists it. `crc` is its CRC64NVME, where the server keeps one."""

    etag: str
    size: int
    crc: int | None


class Verdict(Enum):
    KEEP = auto()
    SEND = auto()
    COMPARE_MD5 = auto()
    """Keep it if its ETag is the MD5 of the bytes, as it is on most servers without encryption."""


def judge(stored: StoredPart | None, noted: SentPart | None, size: int, crc: int, prefix: bytes) -> Verdict:
    """Compare a part with the `size`, CRC64NVME and `prefix` (see `SentPart`) that the source has for it now."""
    if stored is None or stored.size != size:
        return Verdict.SEND
    if noted is not None and noted.etag == stored.etag:
        # The note was made of the very part that is listed, and no two sources have the same prefix.
        return Verdict.KEEP if noted.size == size and noted.prefix == prefix else Verdict.SEND
    if stored.crc is not None:
        return Verdict.KEEP if stored.crc == crc else Verdict.SEND
    return Verdict.COMPARE_MD5
