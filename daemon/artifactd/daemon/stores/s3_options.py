"""How to reach a bucket, and how an object is cut into parts: plain values, no SDK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MAX_PARTS", "S3Options", "part_size_for"]

MAX_PARTS = 10_000
"""S3 takes no more parts of one object."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class S3Options:
    """Credentials are not here: they come by the SDK's own chain (environment, files, instance).

    `endpoint_url` and `region` None mean what the SDK finds. `part_size` is in bytes, at least 5 MiB (S3's
    rule); `concurrency` parts of it are on their way, or in memory, at once.
    """

    endpoint_url: str | None = None
    region: str | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    part_size: int = 16 * _MIB
    concurrency: int = 8


def part_size_for(size: int, preferred: int) -> int:
    """`preferred`, or the next whole MiB with which `size` bytes fit into `MAX_PARTS` parts."""
    needed = -(-size // MAX_PARTS)
    return max(preferred, -(-needed // _MIB) * _MIB)
