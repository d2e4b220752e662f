"""What the tests of stores share: a journal that remembers, sources that misbehave, and short cuts."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio
from blake3 import blake3

from artifactd.daemon.stores.base import SentPart, Store, UnfinishedUpload
from artifactd.daemon.stores.sources import BytesSource
from artifactd.protocol.manifest import digest_of

MIB = 1 << 20


@dataclass
class Journal:
    """An `UploadJournal` in memory; `calls` are the names and keys in order, `open` the upload of each key."""

    open: dict[str, UnfinishedUpload] = field(default_factory=dict)
    sent_parts: dict[str, dict[int, SentPart]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def ids(self) -> dict[str, str | None]:
        return {upload.key: upload.upload_id for upload in self.open.values()}

    async def creating(self, key: str) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.append(("creating", key))
        self.open[key] = UnfinishedUpload(key, None, None, time.time())
        self.sent_parts[key] = {}

    async def created(self, key: str, upload_id: str, part_size: int) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.append(("created", key))
        self.open[key] = UnfinishedUpload(key, upload_id, part_size, time.time())

    def sent(self, key: str, upload_id: str, parts: Sequence[SentPart]) -> None:
        if key in self.open and self.open[key].upload_id == upload_id:
            self.sent_parts[key].update((part.number, part) for part in parts)

    async def ended(self, key: str) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.append(("ended", key))
        del self.open[key]
        self.sent_parts.pop(key, None)

    async def unfinished(self) -> list[UnfinishedUpload]:
        await trio.lowlevel.checkpoint()
        return list(self.open.values())

    async def parts(self, key: str) -> list[SentPart]:
        await trio.lowlevel.checkpoint()
        return list(self.sent_parts.get(key, {}).values())


class GatedSource:
    """Bytes whose reader stops at `gate_at` until `release()`; `reached` is set when it gets there."""

    def __init__(self, data: bytes, gate_at: int) -> None:
        self._source = BytesSource(data)
        self._gate_at = gate_at
        self._gate = threading.Event()
        self._token = trio.lowlevel.current_trio_token()
        self.reached = trio.Event()
        self.size = len(data)

    def release(self) -> None:
        self._gate.set()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        if offset >= self._gate_at and not self._gate.is_set():
            self._token.run_sync_soon(self.reached.set)
            assert self._gate.wait(30)
        return self._source.read_into(buffer, offset)


class ShrunkSource(BytesSource):
    """Promises ten bytes more than it has."""

    @property
    def size(self) -> int:
        return super().size + 10


def some_bytes(size: int) -> bytes:
    return blake3(b"some bytes").digest(size)


def digest(data: bytes) -> str:
    return digest_of(blake3(data).digest())


async def put(store: Store, key: str, data: bytes) -> None:
    await store.put(key, BytesSource(data), digest=digest(data))


async def get(store: Store, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
    with tempfile.TemporaryFile() as file:
        written = await store.get(key, file.fileno(), offset=offset, length=length)
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == written
        file.seek(0)
        return file.read()


async def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key async for info in store.list(prefix)]
