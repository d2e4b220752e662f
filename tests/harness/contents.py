"""What the clients of a test log: a function of a token, so that the verification knows every byte."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from blake3 import blake3

__all__ = ["Shape", "contents", "digest"]

_KIB, _MIB = 1 << 10, 1 << 20


class Shape(StrEnum):
    """How big an artifact is, and by which way of the client it is logged."""

    TINY = "tiny"
    """One file of 200 bytes, overwritten in place for each artifact."""
    PACKED = "packed"
    """A directory of 40 files that share a spool file."""
    PLAIN = "plain"
    """One file of 200 KiB, written straight into the spool."""
    MULTIPART = "multipart"
    """One file of 20 MiB, handed over; more than one part on S3."""


_FILES: Mapping[Shape, Mapping[str, int]] = {
    Shape.TINY: {"weights": 200},
    Shape.PACKED: {f"{index % 4}/{index}": index * 100 for index in range(40)},
    Shape.PLAIN: {"weights": 200 * _KIB},
    Shape.MULTIPART: {"weights": 20 * _MIB + 1},
}


def contents(token: str, shape: Shape) -> dict[str, bytes]:
    """The files of an artifact by path; no other token has one with equal bytes, but for empty files."""
    return {path: blake3(f"{token}/{path}".encode()).digest(size) for path, size in _FILES[shape].items()}


def digest(token: str, shape: Shape) -> str:
    """The BLAKE3 of the last file, in hex: it tells the artifact's upload in the log of a store."""
    *_, data = contents(token, shape).values()
    return blake3(data).hexdigest()
