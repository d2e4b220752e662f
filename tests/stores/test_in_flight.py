"""How many requests are in flight, and from which memory, against a server in this process."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from awscrt.checksums import crc64nvme

from artifactd.daemon.stores.attempts import Attempts
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.buckets.buffers import Buffers
from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS, SinglePuts
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.s3.multipart import Multipart, Upload
from artifactd.daemon.stores.s3.outcomes import Outcomes
from artifactd.daemon.stores.s3.requests import Part
from artifactd.daemon.stores.sources import BytesSource
from stores.support import MIB, digest, some_bytes

PART = MIB


class Server:
    """Takes the requests of `Uploads`; each waits until `together` of them are there, or all have come."""

    def __init__(self, together: int = 1) -> None:
        self.together = asyncio.Barrier(together)
        self.in_flight = 0
        self.most = 0

    async def put(self, key: str, data: memoryview, crc: int) -> None:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        async with asyncio.timeout(10):
            await self.together.wait()
        self.in_flight -= 1

    async def put_part(self, key: str, upload_id: str, number: int, data: memoryview, crc: int) -> Part:
        await self.put(key, data, crc)
        return Part(number, "etag", crc, len(data))

    async def complete(self, key: str, upload_id: str, parts: list[Part], crc: int) -> bool:
        self.completed = [part.number for part in parts]
        return True


class FirstPartFailsOnce(Server):
    """Refuses part 1 once; the others wait for it. Remembers the memory that each part was sent from."""

    def __init__(self) -> None:
        super().__init__()
        self.first_is_there = asyncio.Event()
        self.memory: dict[int, list[object]] = {}

    async def put_part(self, key: str, upload_id: str, number: int, data: memoryview, crc: int) -> Part:
        self.memory.setdefault(number, []).append(data.obj)
        if number > 1:
            await self.first_is_there.wait()
        elif len(self.memory[1]) == 1:
            raise StoreError(Kind.TRANSIENT, "put part of", key, "reset")
        else:
            self.first_is_there.set()
        return Part(number, "etag", crc, len(data))


async def never_settled(error: StoreError, key: str, size: int, crc: int) -> NoReturn:
    raise error


def upload(server: Server, parts: int, concurrency: int) -> None:
    data = some_bytes(parts * PART - 1)

    async def run() -> None:
        gate = Gate(concurrency)
        multipart = Multipart(server, Outcomes(server, gate), gate, Attempts(), Buffers(PART, PART * concurrency))
        await multipart.put(Upload("aa/object", "id", PART), BytesSource(data), digest(data), lambda _: None)

    asyncio.run(run())


def test_as_many_parts_as_allowed_are_in_flight() -> None:
    server = Server(together=3)
    upload(server, parts=9, concurrency=3)
    assert server.most == 3
    assert server.completed == list(range(1, 10))


def test_the_small_objects_of_a_batch_overlap_within_the_limit() -> None:
    server = Server(together=SMALL_PUTS)

    async def run() -> None:
        puts = SinglePuts(
            server.put, never_settled, crc64nvme, Gate(2 * SMALL_PUTS), Attempts(), Buffers(PART, PART)
        )
        outcomes = await puts.put_many([(f"aa/{n}", b"x") for n in range(2 * SMALL_PUTS)])
        assert outcomes == [None] * (2 * SMALL_PUTS)

    asyncio.run(run())
    assert server.most == SMALL_PUTS


def test_memory_that_a_broken_request_may_still_send_from_is_not_used_for_another_part() -> None:
    server = FirstPartFailsOnce()
    upload(server, parts=6, concurrency=2)
    first, again = server.memory.pop(1)
    assert first is again
    assert all(used is not first for memory in server.memory.values() for used in memory)
