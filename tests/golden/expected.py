"""What lies in every golden home: contents that follow from the epoch."""

from __future__ import annotations

from blake3 import blake3

__all__ = ["BOOT", "LARGE_BYTES", "large", "small"]

BOOT = "the boot of the golden home"
LARGE_BYTES = 9 << 20
"""Over the size of a single PUT, and compressible, so that the archive stays small."""


def small(epoch: int) -> dict[str, bytes]:
    """Files that share one spool file; one of them is the same in every epoch."""
    return {
        "config.json": b'{"layers": 3}',
        "metrics/loss.txt": f"{1 / (epoch + 1):.4f}".encode(),
        "notes/é.txt": b"unicode",
        "empty": b"",
    }


def large(epoch: int) -> bytes:
    return blake3(epoch.to_bytes(4, "big")).digest() + bytes(LARGE_BYTES)
