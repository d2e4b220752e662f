"""The store `gs://bucket/prefix`, from trio: each method crosses to the asyncio loop once per step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from functools import partial

import trio
from awscrt.checksums import crc32c

from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.attempts import Attempts
from artifactd.daemon.stores.base import (
    SINGLE_PUT,
    Kind,
    ObjectInfo,
    Source,
    StoreError,
    UploadJournal,
    check_key,
)
from artifactd.daemon.stores.buffers import Buffers
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.gcs_chunks import Chunks
from artifactd.daemon.stores.gcs_http import Http
from artifactd.daemon.stores.gcs_options import GCSOptions
from artifactd.daemon.stores.gcs_requests import Requests
from artifactd.daemon.stores.gcs_session import Sessions
from artifactd.daemon.stores.gcs_upload import Uploads, settle
from artifactd.daemon.stores.single_puts import SMALL_PUTS, SinglePuts

__all__ = ["GCSStore"]

_CLEAN_UP_SECONDS = 10
"""How long a failed upload may take to cancel its session."""
_HOPELESS = frozenset({Kind.CORRUPT, Kind.CONFLICT, Kind.NOT_FOUND, Kind.PERMANENT})
"""Failures after which a session is of no use; after any other the next `put` goes on with it."""


class GCSStore:
    """A `Store` in a bucket. It owns the connections; the bridge belongs to the caller.

    The journal holds the session of each large upload that is not finished. Google forgets one after a week, and
    asks nothing for it until then: so none is ever searched for, and none is in a hurry to be cancelled.
    """

    def __init__(
        self, bridge: Bridge, http: Http, bucket: str, prefix: str, options: GCSOptions, journal: UploadJournal
    ) -> None:
        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self._bridge = bridge
        self._http = http
        self._requests = Requests(http, bucket, prefix + "/" if prefix else "", options)
        self._sessions = Sessions(http, self._requests)
        self._gate = Gate(options.concurrency + SMALL_PUTS)
        attempts = Attempts()
        buffers = Buffers(options.chunk_size, options.chunk_size * options.concurrency)
        self._small = SinglePuts(
            self._requests.put, partial(settle, self._requests), crc32c, self._gate, attempts, buffers
        )
        chunks = Chunks(self._sessions, self._gate, attempts, buffers, options.chunk_size)
        self._large = Uploads(self._requests, chunks)
        self._journal = journal
        self._chunk_size = options.chunk_size
        self._unfinished: dict[str, str] = {}

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        check_key("put", key)
        if source.size <= SINGLE_PUT:
            await self._bridge.call(self._small.put, key, source, digest)
        elif session := self._unfinished.get(key):
            await self._put_chunks(key, session, source, digest, resumed=True)
        else:
            await self._begin(key, source, digest)

    async def _begin(self, key: str, source: Source, digest: str) -> None:
        try:
            session = await self._bridge.call(self._sessions.begin, key, source.size)
        except StoreError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            await self._bridge.call(self._large.compare, key, source, digest, error)
            return
        # With where it leads: a session of another bucket or prefix would make the object there.
        await self._journal.created(key, f"{self.url} {session}", self._chunk_size)
        self._unfinished[key] = session
        await self._put_chunks(key, session, source, digest, resumed=False)

    async def _put_chunks(self, key: str, session: str, source: Source, digest: str, *, resumed: bool) -> None:
        try:
            await self._bridge.call(self._large.put, key, session, source, digest, resumed)
        except StoreError as error:
            if error.kind in _HOPELESS:
                with trio.move_on_after(_CLEAN_UP_SECONDS, shield=True), suppress(StoreError):
                    await self._bridge.call(self._sessions.cancel, key, session)
                await self._forget(key)
            if error.kind is Kind.NOT_FOUND:
                raise StoreError(Kind.TRANSIENT, "put", key, "the upload session is gone") from error
            raise
        await self._forget(key)

    async def _forget(self, key: str) -> None:
        await self._journal.ended(key)
        del self._unfinished[key]

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        return await self._bridge.call(self._small.put_many, items)

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        request = partial(self._requests.get, check_key("get", key), fd, offset, length)
        return await self._bridge.call(self._gate.run, request)

    async def head(self, key: str) -> ObjectInfo | None:
        return await self._bridge.call(self._requests.head, check_key("head", key))

    async def delete(self, key: str) -> None:
        await self._bridge.call(self._requests.delete, check_key("delete", key))

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        token: str | None = ""
        while token is not None:
            found, token = await self._bridge.call(self._requests.page, prefix, token)
            for info in found:
                yield info

    async def recover(self) -> int:
        """Take the journalled sessions up again, before the first `put`; forget those that the server forgot.

        Also those of another bucket, which nothing here can complete. Returns how many were forgotten; the others
        are gone on with by the next `put` of their key.
        """
        strange = []
        for upload in await self._journal.unfinished():
            where, _, session = (upload.upload_id or "").partition(" ")
            if where == self.url and self._sessions.is_session(session):
                self._unfinished[upload.key] = session
            elif where.startswith("gs://"):
                strange.append(upload.key)
        gone = await self._bridge.call(self._sessions.forgotten, list(self._unfinished.items()))
        for key in gone:
            del self._unfinished[key]
        for key in (*strange, *gone):
            await self._journal.ended(key)
        return len(strange) + len(gone)

    async def aclose(self) -> None:
        await self._bridge.call(self._http.close)
