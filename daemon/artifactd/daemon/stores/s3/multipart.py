"""One large object as a multipart upload, begun or gone on with, on the asyncio loop.

Every byte of the source is read in the order of the file and hashed, also of parts that the server has already:
what the digest is compared with is what the parts hold.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from awscrt.checksums import combine_crc64nvme

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.stores.asyncio_bridge import in_thread
from artifactd.daemon.stores.attempts import RETRIED, Attempts
from artifactd.daemon.stores.base import Kind, SentPart, Source, StoreError
from artifactd.daemon.stores.buckets.buffers import Buffers
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.s3.checksums import read_and_hash
from artifactd.daemon.stores.s3.outcomes import Outcomes
from artifactd.daemon.stores.s3.requests import Part, Requests
from artifactd.daemon.stores.s3.resume import StoredPart, Verdict, judge
from artifactd.daemon.stores.sources import IdentityHash

__all__ = ["Multipart", "Note", "Upload"]

Note = Callable[[Sequence[SentPart]], None]
"""Is told of parts that have arrived; must not block."""

_NOTED_TOGETHER_SECONDS = 0.2
"""Parts that arrive within this time are noted together: a part costs the journal no sync of its own."""
_COMPLETED_AGAIN = RETRIED - {Kind.CORRUPT}


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that exists, and what the server (`stored`) and the journal (`noted`) know by number."""

    key: str
    upload_id: str
    part_size: int
    stored: Mapping[int, StoredPart] = field(default_factory=dict)
    noted: Mapping[int, SentPart] = field(default_factory=dict)


@dataclass(slots=True)
class _Read:
    """A part as the source has it, in a leased buffer. `reusable` once no request can still be sending from it."""

    number: int
    buffer: bytearray
    size: int
    crc: int
    prefix: bytes
    reusable: bool = True

    @property
    def data(self) -> memoryview:
        return memoryview(self.buffer)[: self.size]


class Multipart:
    """The multipart uploads of one store, within its memory and its share of requests."""

    def __init__(
        self, requests: Requests, outcomes: Outcomes, gate: Gate, attempts: Attempts, buffers: Buffers
    ) -> None:
        self._requests = requests
        self._outcomes = outcomes
        self._gate = gate
        self._attempts = attempts
        self._buffers = buffers

    async def put(self, upload: Upload, source: Source, digest: str, note: Note) -> None:
        """Send the parts that the server does not have, check the digest of all bytes, and complete the upload.

        Raises `StoreError`; `CORRUPT` if the source is not `digest`. Then, or when cancelled, the parts that
        have arrived remain, and `note` was told of them.
        """
        identity = IdentityHash()
        notes = _Notes(note)
        try:
            async with asyncio.TaskGroup() as group:
                pending = await self._send_missing(group, upload, source, identity, notes)
                identity.check(upload.key, digest)
        except ExceptionGroup as errors:
            # The first failure cancelled the other parts; it alone is the reason.
            raise errors.exceptions[0] from None
        finally:
            notes.flush()
        parts = [part.result() if isinstance(part, asyncio.Task) else part for part in pending]
        reach(Point.PARTS_SENT)
        await self._attempts.persist(lambda _: self._complete(upload, parts), _COMPLETED_AGAIN)

    async def _send_missing(
        self, group: asyncio.TaskGroup, upload: Upload, source: Source, identity: IdentityHash, notes: _Notes
    ) -> list[Part | asyncio.Task[Part]]:
        """Read part after part, in file order for the hash, while those before it are on their way."""
        parts: list[Part | asyncio.Task[Part]] = []
        for number, offset in enumerate(range(0, source.size, upload.part_size), 1):
            read = await self._read(upload, source, number, offset, identity)
            if kept := await self._kept(upload, read):
                self._release(read)
                parts.append(kept)
            else:
                sending = group.create_task(self._send(upload, read, notes))
                # Not in the task itself: one that is cancelled before it starts would keep the memory.
                sending.add_done_callback(partial(self._release_sent, read))
                parts.append(sending)
        return parts

    def _release_sent(self, read: _Read, _: asyncio.Task[Part]) -> None:
        self._release(read)

    def _release(self, read: _Read) -> None:
        self._buffers.release(read.buffer, reusable=read.reusable)

    async def _read(
        self, upload: Upload, source: Source, number: int, offset: int, identity: IdentityHash
    ) -> _Read:
        buffer = await self._buffers.lease(upload.part_size)
        try:
            data = memoryview(buffer)[: source.size - offset]
            crc = await in_thread(read_and_hash, source, data, offset, upload.key, identity)
        except BaseException:
            self._buffers.release(buffer, reusable=True)
            raise
        return _Read(number, buffer, len(data), crc, identity.so_far())

    async def _kept(self, upload: Upload, read: _Read) -> Part | None:
        """The part, if the server has it with these bytes."""
        stored = upload.stored.get(read.number)
        verdict = judge(stored, upload.noted.get(read.number), read.size, read.crc, read.prefix)
        if stored is None or verdict is Verdict.SEND:
            return None
        if verdict is Verdict.COMPARE_MD5 and stored.etag.strip('"') != await self._md5(read):
            return None
        return Part(read.number, stored.etag, read.crc, read.size)

    async def _md5(self, read: _Read) -> str:
        try:
            return await in_thread(_md5, read.data)
        except BaseException:
            self._release(read)
            raise

    async def _send(self, upload: Upload, read: _Read, notes: _Notes) -> Part:
        request = partial(self._requests.put_part, upload.key, upload.upload_id, read.number, read.data, read.crc)

        async def send(_: int) -> Part:
            # A request that is cut off may still have slices queued in its transport: with other bytes in them,
            # a server that verifies nothing would take those for this part.
            clean, read.reusable = read.reusable, False
            part = await self._gate.run(request)
            read.reusable = clean
            return part

        part = await self._attempts.persist(send, RETRIED)
        notes.add(SentPart(part.number, part.etag, part.size, read.prefix))
        reach(Point.MID_PART)
        return part

    async def _complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        crc, size = 0, 0
        for part in parts:
            crc = combine_crc64nvme(crc, part.crc, part.size)
            size += part.size
        try:
            request = partial(self._requests.complete, upload.key, upload.upload_id, parts, crc)
            vouched = await self._gate.heed(request)
        except StoreError as error:
            # Also a 5xx, and an upload id that is unknown by now, can mean that it was completed.
            if error.kind not in _COMPLETED_AGAIN or not await self._outcomes.took_effect(upload.key, size, crc):
                raise
            return
        if not vouched:
            await self._outcomes.confirm(upload.key, size, crc)


class _Notes:
    """Gathers parts for a moment before it tells of them."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._parts: list[SentPart] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, part: SentPart) -> None:
        self._parts.append(part)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_NOTED_TOGETHER_SECONDS, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._note(self._parts)
            self._parts = []


def _md5(data: memoryview) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
