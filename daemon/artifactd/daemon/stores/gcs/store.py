"""The store `gs://bucket/prefix`, from trio."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import trio
from awscrt.checksums import crc32c

from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.attempts import Attempts
from artifactd.daemon.stores.base import Kind, Source, StoreError, UploadJournal
from artifactd.daemon.stores.buckets.bucket import BucketStore
from artifactd.daemon.stores.buckets.buffers import Buffers
from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS, SinglePuts
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.gcs.chunks import Chunks
from artifactd.daemon.stores.gcs.http import Http
from artifactd.daemon.stores.gcs.options import GCSOptions
from artifactd.daemon.stores.gcs.requests import Requests
from artifactd.daemon.stores.gcs.session import Sessions
from artifactd.daemon.stores.gcs.upload import Uploads, settle

__all__ = ["GCSStore"]

_CLEAN_UP_SECONDS = 10
"""How long a failed upload may take to cancel its session."""
_HOPELESS = frozenset({Kind.CORRUPT, Kind.CONFLICT, Kind.NOT_FOUND, Kind.PERMANENT})
"""Failures after which a session is of no use; after any other the next `put` goes on with it."""


class GCSStore(BucketStore):
    """A `Store` in a bucket. It owns the connections; the bridge belongs to the caller.

    The journal holds the session of each large upload that is not finished. Google forgets one after a week, and
    asks nothing for it until then: so none is ever searched for, and none is in a hurry to be cancelled.
    """

    def __init__(
        self, bridge: Bridge, http: Http, bucket: str, prefix: str, options: GCSOptions, journal: UploadJournal
    ) -> None:
        self._http = http
        requests = Requests(http, bucket, prefix + "/" if prefix else "", options)
        self._sessions = Sessions(http, requests)
        gate, attempts = Gate(options.concurrency + SMALL_PUTS), Attempts()
        buffers = Buffers(options.chunk_size, options.chunk_size * options.concurrency)
        settled = partial(settle, requests, gate)
        small = SinglePuts(requests.put, settled, crc32c, gate, attempts, buffers)
        super().__init__(f"gs://{bucket}/{prefix}", bridge, requests, small, gate)
        chunks = Chunks(self._sessions, gate, attempts, buffers, options.chunk_size)
        self._large = Uploads(requests, gate, chunks)
        self._journal = journal
        self._chunk_size = options.chunk_size
        self._unfinished: dict[str, str] = {}

    async def _put_large(self, key: str, source: Source, digest: str) -> None:
        if session := self._unfinished.get(key):
            await self._put_chunks(key, session, source, digest, resumed=True)
        else:
            await self._begin(key, source, digest)

    async def _begin(self, key: str, source: Source, digest: str) -> None:
        try:
            session = await self._bridge.call(self._gate.heed, partial(self._sessions.begin, key, source.size))
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
