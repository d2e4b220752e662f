"""The merge-join of what the catalog has with what the store has, both in the order of keys. No I/O of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from artifactd.daemon.catalog.pages import BlobRow
from artifactd.daemon.stores.base import ObjectInfo

__all__ = ["merge"]


_Pair = tuple[BlobRow | None, ObjectInfo | None]


async def merge(rows: AsyncIterator[BlobRow], objects: AsyncIterator[ObjectInfo]) -> AsyncGenerator[_Pair, None]:
    """Every row once, with the object of its key, and every object of which there is no row, with None.

    Holds one of each. A row that comes out of order may be without an object that is there, and this object
    without its row: who is told of a row without an object must look for it. The caller closes all three.
    """
    info = await anext(objects, None)
    async for row in rows:
        while info is not None and info.key < row.location.key:
            yield None, info
            info = await anext(objects, None)
        if info is not None and info.key == row.location.key:
            yield row, info
            info = await anext(objects, None)
        else:
            yield row, None
    while info is not None:
        yield None, info
        info = await anext(objects, None)
