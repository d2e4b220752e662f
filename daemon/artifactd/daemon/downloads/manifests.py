"""Committed manifests on the node's disk, looked up by path without decoding all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO

import msgspec

from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.manifest import Entry, digest_hex, read_blocks

__all__ = ["find_entries", "keep_newest"]

_decode_block = msgspec.msgpack.Decoder(list[Entry]).decode


def find_entries(file: BinaryIO, paths: Sequence[str]) -> list[Entry]:
    """The entries at `paths`, in the manifest's order. Only blocks that can hold one are decoded.

    Raises `ArtifactNotFound` naming a path that the manifest does not have.
    """
    wanted = sorted({path.encode() for path in paths})
    found: list[Entry] = []
    blocks: Iterator[tuple[str, bytes] | None] = read_blocks(file, draft=False)
    for block, following in pairwise(chain(blocks, [None])):
        assert block is not None
        start = bisect_left(wanted, block[0].encode())
        stop = len(wanted) if following is None else bisect_left(wanted, following[0].encode())
        if start < stop:
            here = set(wanted[start:stop])
            found.extend(entry for entry in _entries(block[1]) if entry.path.encode() in here)
    if len(found) < len(wanted):
        missing = set(wanted) - {entry.path.encode() for entry in found}
        raise ArtifactNotFound("the version has no such entry", subject=min(missing).decode())
    return found


def _entries(body: bytes) -> list[Entry]:
    try:
        entries = _decode_block(body)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"manifest block cannot be decoded: {error}") from error
    for entry in entries:
        if entry.reference is None:
            digest_hex(entry.digest)
    return entries


def keep_newest(directory: Path, count: int) -> None:
    """Delete all but the `count` files that were read last."""
    files: list[tuple[float, Path]] = []
    for path in directory.iterdir():
        # Another fetch may be renaming its file, or cleaning up, at this moment.
        with suppress(FileNotFoundError):
            files.append((path.stat().st_mtime, path))
    for _, path in sorted(files, reverse=True)[count:]:
        path.unlink(missing_ok=True)
