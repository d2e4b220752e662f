"""Data of new random content: no contestant, no cache and no store has seen it before."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["BLOCK", "file_of", "files_in"]

BLOCK = 4 << 20


def file_of(path: Path, size: int) -> Path:
    """One file, a multiple of `BLOCK` in size. No two of its blocks are equal."""
    noise = bytearray(os.urandom(BLOCK))
    with path.open("wb") as file:
        for number in range(size // BLOCK):
            noise[:8] = number.to_bytes(8, "little")
            file.write(noise)
    return path


def files_in(directory: Path, count: int, size: int) -> Path:
    """A new directory with that many files."""
    directory.mkdir()
    for number in range(count):
        (directory / f"{number:05}.bin").write_bytes(os.urandom(size))
    return directory
