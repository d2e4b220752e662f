"""Reading what the store has of a blob: hashed piece by piece, and judged."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

import trio
from blake3 import blake3

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.maintenance.findings import Kind, Problem
from artifactd.daemon.maintenance.patience import patiently
from artifactd.daemon.stores.base import Kind as StoreKind
from artifactd.daemon.stores.base import Store, StoreError
from artifactd.protocol.manifest import digest_of

__all__ = ["PIECE", "read_problem"]

PIECE = 8 << 20
"""Bytes of one request, which are in memory until they are hashed."""


async def read_problem(
    store: Store, digest: str, location: BlobLocation, file: BinaryIO | None = None
) -> Problem | None:
    """Read all bytes of a blob and say what is wrong with them; they are kept in `file`, an empty one, if given.

    Raises `StoreError` when the store does not even say that it has the object: it cannot be reached.
    """
    try:
        found = await _digest(store, location, file)
    except StoreError as error:
        return await _why_not(store, location, error)
    if found != digest:
        return Problem(Kind.CORRUPT_BLOB, f"its bytes are {found}")
    return None


async def _digest(store: Store, location: BlobLocation, file: BinaryIO | None) -> str:
    hash = blake3()
    with _scratch(file) as fd:
        for done in range(0, location.length, PIECE):
            size = min(PIECE, location.length - done)
            start = 0 if file is None else done
            await patiently(partial(_fetch, store, location.key, location.offset + done, size, fd, start))
            await trio.to_thread.run_sync(_update, hash, fd, start, size)
    return digest_of(hash.digest())


@contextmanager
def _scratch(file: BinaryIO | None) -> Iterator[int]:
    if file is not None:
        yield file.fileno()
        return
    fd = os.memfd_create("piece")
    try:
        yield fd
    finally:
        os.close(fd)


async def _fetch(store: Store, key: str, offset: int, size: int, fd: int, start: int) -> None:
    """Put `size` bytes of the object from `offset` on into the file, at `start`, where it is to end."""
    os.ftruncate(fd, start)
    os.lseek(fd, start, os.SEEK_SET)
    arrived = await store.get(key, fd, offset=offset, length=size)
    if arrived != size:
        raise StoreError(StoreKind.CORRUPT, "get", key, f"{arrived} bytes came from byte {offset} on, not {size}")


def _update(hash: blake3, fd: int, start: int, size: int) -> None:
    with mmap.mmap(fd, size, prot=mmap.PROT_READ, offset=start) as piece:
        hash.update(piece)


async def _why_not(store: Store, location: BlobLocation, error: StoreError) -> Problem:
    if error.kind is StoreKind.CORRUPT:
        return Problem(Kind.CORRUPT_BLOB, error.reason)
    # A store that cannot be reached, or refuses us, is no fault of this object's.
    if await patiently(partial(store.head, location.key)) is None:
        return Problem(Kind.MISSING_BLOB, "there is no object")
    return Problem(Kind.UNREADABLE_BLOB, error.reason)
