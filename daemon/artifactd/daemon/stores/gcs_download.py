"""An object on its way into a file, on the asyncio loop; the CRC32C of a whole one is compared."""

from __future__ import annotations

from collections.abc import Iterable

import aiohttp
from awscrt.checksums import crc32c

from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.gcs_answers import encode_crc
from artifactd.daemon.stores.gcs_errors import GCS_ERRORS, unanswered
from artifactd.daemon.stores.os_errors import os_errors, write_all

__all__ = ["drain", "read_piece"]

_WRITE_SIZE = 1 << 20
"""Bytes that are gathered for one write in a worker thread."""


async def drain(response: aiohttp.ClientResponse, key: str, fd: int) -> int:
    """Write the body to `fd`; if it is a whole object, its checksum is compared."""
    total, crc, held, pieces = 0, 0, 0, []
    while True:
        piece = await read_piece(response, key)
        pieces.append(piece)
        held += len(piece)
        if held >= _WRITE_SIZE or not piece:
            with os_errors("get", key):
                crc = await in_thread(_write, fd, pieces, crc)
            total += held
            held, pieces = 0, []
        if not piece:
            break
    promised = _crc_of(response.headers.getall("x-goog-hash", ()))
    whole = response.status == 200 or response.headers.get("Content-Range") == f"bytes 0-{total - 1}/{total}"
    if whole and promised is not None and promised != encode_crc(crc):
        raise StoreError(Kind.CORRUPT, "get", key, "the bytes are not what the server's checksum says")
    return total


def _write(fd: int, pieces: list[bytes], crc: int) -> int:
    data = b"".join(pieces)
    write_all(fd, memoryview(data))
    checksum: int = crc32c(data, crc)
    return checksum


async def read_piece(response: aiohttp.ClientResponse, key: str) -> bytes:
    """The next bytes of the body, none at its end. Raises `StoreError`."""
    try:
        return await response.content.read(_WRITE_SIZE)
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
