"""An object on its way into a file, on the asyncio loop; the CRC32C of a whole one is compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import aiohttp
from awscrt.checksums import crc32c

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.buckets.draining import drain, next_piece
from artifactd.daemon.stores.gcs.answers import encode_crc
from artifactd.daemon.stores.gcs.errors import GCS_ERRORS, unanswered
from artifactd.daemon.stores.os_errors import write_pieces

__all__ = ["read_object", "read_piece"]


async def read_object(response: aiohttp.ClientResponse, key: str, fd: int) -> int:
    """Write the body to `fd`; if it is a whole object, its checksum is compared."""
    crc = 0

    def write(pieces: Sequence[bytes | memoryview]) -> int:
        nonlocal crc
        for piece in pieces:
            crc = crc32c(piece, crc)
        return write_pieces(fd, pieces)

    total = await drain(response, partial(read_piece, response, key), write, key)
    promised = _crc_of(response.headers.getall("x-goog-hash", ()))
    whole = response.status == 200 or response.headers.get("Content-Range") == f"bytes 0-{total - 1}/{total}"
    if whole and promised is not None and promised != encode_crc(crc):
        raise StoreError(Kind.CORRUPT, "get", key, "the bytes are not what the server's checksum says")
    return total


async def read_piece(response: aiohttp.ClientResponse, key: str) -> bytes:
    """The next bytes of the body that have arrived, none at its end. Raises `StoreError`."""
    try:
        return await next_piece(response.content)
    except GCS_ERRORS as error:
        raise unanswered(error, "get", key) from error


def _crc_of(headers: Iterable[str]) -> str | None:
    """The CRC32C in `x-goog-hash` headers, as written there."""
    for header in headers:
        for item in header.split(","):
            name, _, value = item.strip().partition("=")
            if name == "crc32c":
                return str(value)
    return None
