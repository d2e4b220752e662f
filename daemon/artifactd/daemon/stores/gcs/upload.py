"""The large uploads to GCS, and how any upload is settled, on the asyncio loop.

Every byte is read into the buffer that is sent, and hashed there: what the digest is compared with is what
leaves. Bytes that the server has from an earlier attempt are read and hashed again, and the CRC32C of the whole
that goes with the last chunk makes the server compare them.
"""

from __future__ import annotations

from functools import partial

from awscrt.checksums import crc32c

from artifactd.daemon.stores.base import Kind, Source, StoreError
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.gcs.chunks import Chunks
from artifactd.daemon.stores.gcs.requests import Requests
from artifactd.daemon.stores.sources import Hashes

__all__ = ["Uploads", "settle"]


class Uploads:
    """The chunked uploads of one store."""

    def __init__(self, requests: Requests, gate: Gate, chunks: Chunks) -> None:
        self._requests = requests
        self._gate = gate
        self._chunks = chunks

    async def put(self, key: str, session: str, source: Source, digest: str, resumed: bool) -> None:
        """Send what the session does not have yet, and check the digest before the last byte of it.

        Raises `StoreError`; `NOT_FOUND` if the session is gone.
        """
        hashes = Hashes(crc32c)
        try:
            stored = await self._chunks.put(key, session, source, digest, hashes, resumed=resumed)
        except StoreError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            await settle(self._requests, self._gate, error, key, source.size, hashes.checksum)
        else:
            await self._requests.verify(key, stored, source.size, hashes.checksum)

    async def compare(self, key: str, source: Source, digest: str, refusal: StoreError) -> None:
        """Return if the object that lies there already, as `refusal` says, is what `source` has, else raise."""
        hashes = Hashes(crc32c)
        await self._chunks.skip(key, source, source.size, hashes)
        hashes.check(key, digest)
        await settle(self._requests, self._gate, refusal, key, source.size, hashes.checksum)


async def settle(requests: Requests, gate: Gate, error: StoreError, key: str, size: int, crc: int) -> None:
    """Raise `error`, unless it came of an equal object that lies under the key: our own, or another's."""
    if error.kind not in (Kind.CONFLICT, Kind.UNKNOWN_OUTCOME):
        raise error
    try:
        found = await gate.heed(partial(requests.stat, key))
    except StoreError:
        # Looking failed as well: it stays as it is, and the next attempt sees.
        found = None
    if found is None:
        # Not there, or not there yet: nothing stands against another attempt.
        raise StoreError(Kind.UNKNOWN_OUTCOME, error.operation, key, error.reason) from error
    if (found.size, found.crc) != (size, crc):
        raise StoreError(Kind.CONFLICT, error.operation, key, "another object is there") from error
