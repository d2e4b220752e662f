"""Each thing that can go wrong with GCS, in each step of an upload and a download: the right bytes, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from artifactd.daemon.stores import retry
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS
from servers.gcs import FakeGcs
from servers.gcs_faults import Fault, Operation
from stores.gcs_support import CHUNK, KEY, NAME, SIZE, download, gcs_store, insist_on_put, stored
from stores.support import Journal, get, put, some_bytes

SMALL = some_bytes(100_000)
LARGE = some_bytes(SIZE)
STALL_SECONDS = 1.0
ANSWERS = (Fault.DROP, Fault.UNAVAILABLE, Fault.THROTTLED, Fault.EXPIRED, Fault.RESET, Fault.STALL)
IN_CHUNKS = (*ANSWERS, Fault.CORRUPT, Fault.KEEP_LESS, Fault.KEEP_NOTHING, Fault.GONE)
TIMES = (1, pytest.param(3, marks=pytest.mark.long))


@pytest.fixture(autouse=True)
def emulator(gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.endpoint)
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.001)


@pytest.fixture(autouse=True)
def settled(gcs_server: FakeGcs, journal: Journal) -> Iterator[None]:
    """Every fault has struck, and no upload is left unfinished in the journal."""
    yield
    assert gcs_server.faults.left == 0
    assert journal.open == {}


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("fault", [*ANSWERS, Fault.CORRUPT])
async def test_a_fault_in_a_single_put(gcs_server: FakeGcs, journal: Journal, fault: Fault, times: int) -> None:
    struck = 1 if fault is Fault.DROP else times
    gcs_server.faults.inflict(Operation.PUT, *[fault] * struck)
    async with gcs_store(gcs_server, journal, stall=STALL_SECONDS) as store:
        await insist_on_put(store, SMALL)
    assert stored(gcs_server) == SMALL
    assert gcs_server.count(Operation.PUT) == struck + (fault is not Fault.DROP)


async def test_a_small_object_whose_answer_is_lost_is_looked_for_until_it_shows(
    gcs_server: FakeGcs, journal: Journal
) -> None:
    gcs_server.faults.inflict(Operation.PUT, Fault.DROP)
    gcs_server.faults.inflict(Operation.HEAD, Fault.STALE, Fault.UNAVAILABLE, Fault.STALE)
    async with gcs_store(gcs_server, journal) as store:
        failed = await insist_on_put(store, SMALL)
    assert stored(gcs_server) == SMALL
    assert {error.kind for error in failed} == {Kind.UNKNOWN_OUTCOME}


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("fault", ANSWERS)
async def test_a_fault_while_a_session_begins(
    gcs_server: FakeGcs, journal: Journal, fault: Fault, times: int
) -> None:
    gcs_server.faults.inflict(Operation.BEGIN, *[fault] * times)
    async with gcs_store(gcs_server, journal, stall=STALL_SECONDS) as store:
        await insist_on_put(store, LARGE)
    assert stored(gcs_server) == LARGE
    assert gcs_server.received(NAME) - SIZE < 2_000


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("fault", IN_CHUNKS)
@pytest.mark.parametrize("operation", [Operation.CHUNK, Operation.FINISH])
async def test_a_fault_in_a_chunk(
    gcs_server: FakeGcs, journal: Journal, operation: Operation, fault: Fault, times: int
) -> None:
    struck = 1 if (operation, fault) == (Operation.FINISH, Fault.DROP) else times
    gcs_server.faults.inflict(operation, *[fault] * struck)
    async with gcs_store(gcs_server, journal, stall=STALL_SECONDS) as store:
        await insist_on_put(store, LARGE)
    assert stored(gcs_server) == LARGE
    if fault not in (Fault.CORRUPT, Fault.GONE):
        assert gcs_server.received(NAME) <= SIZE + (struck + 1) * CHUNK, "more was sent again than was lost"
        assert gcs_server.count(Operation.BEGIN) == 1


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("fault", [*ANSWERS, Fault.GONE])
async def test_a_fault_while_it_is_asked_how_far_it_got(
    gcs_server: FakeGcs, journal: Journal, fault: Fault, times: int
) -> None:
    gcs_server.faults.inflict(Operation.CHUNK, Fault.UNAVAILABLE)
    struck = 1 if fault is Fault.GONE else times
    gcs_server.faults.inflict(Operation.QUERY, *[fault] * struck)
    async with gcs_store(gcs_server, journal, stall=STALL_SECONDS) as store:
        await insist_on_put(store, LARGE)
    assert stored(gcs_server) == LARGE
    assert gcs_server.count(Operation.BEGIN) == 1 + (fault is Fault.GONE)


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("fault", [*ANSWERS[1:], Fault.CORRUPT, Fault.STALE])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_fault_in_a_download(
    gcs_server: FakeGcs, journal: Journal, tmp_path: Path, data: bytes, fault: Fault, times: int
) -> None:
    gcs_server.put("bucket", NAME, data)
    struck = min(times, 2) if fault is Fault.STALE else times
    gcs_server.faults.inflict(Operation.GET, *[fault] * struck)
    async with gcs_store(gcs_server, journal, stall=STALL_SECONDS) as store:
        await download(store, data, tmp_path / "target")


async def test_damage_on_the_way_to_us_is_told_by_the_checksum(gcs_server: FakeGcs, journal: Journal) -> None:
    gcs_server.put("bucket", NAME, SMALL)
    gcs_server.faults.inflict(Operation.GET, Fault.CORRUPT)
    async with gcs_store(gcs_server, journal) as store:
        with pytest.raises(StoreError) as caught:
            await get(store, KEY)
    assert caught.value.kind is Kind.CORRUPT


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_server_that_is_down_for_long_loses_nothing(
    gcs_server: FakeGcs, journal: Journal, data: bytes
) -> None:
    operations = [Operation.PUT] if data is SMALL else [Operation.BEGIN, Operation.CHUNK, Operation.QUERY]
    for operation in operations:
        gcs_server.faults.inflict(operation, *[Fault.UNAVAILABLE] * 6)
    async with gcs_store(gcs_server, journal) as store:
        await insist_on_put(store, data)
    assert stored(gcs_server) == data


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_bytes_that_arrive_damaged_each_time_are_given_up_and_never_show(
    gcs_server: FakeGcs, journal: Journal, data: bytes
) -> None:
    # One that is sent whole is sent again at once.
    operation, times = (Operation.PUT, 4) if data is SMALL else (Operation.CHUNK, 1)
    async with gcs_store(gcs_server, journal) as store:
        for _ in range(2):
            gcs_server.faults.inflict(operation, *[Fault.CORRUPT] * times)
            with pytest.raises(StoreError) as caught:
                await put(store, KEY, data)
            assert caught.value.kind is Kind.CORRUPT
    assert gcs_server.buckets["bucket"].live == {}
    assert gcs_server.buckets["bucket"].sessions == {}


async def test_throttling_lowers_the_requests_in_flight(gcs_server: FakeGcs, journal: Journal) -> None:
    batch = [(f"aa/{number}", b"data") for number in range(SMALL_PUTS)]
    gcs_server.faults.inflict(Operation.PUT, *[Fault.THROTTLED] * SMALL_PUTS)
    async with gcs_store(gcs_server, journal) as store:
        outcomes = await store.put_batch(batch)
        assert {error and error.kind for error in outcomes} == {Kind.THROTTLED}
        gcs_server.faults.inflict(Operation.PUT, *[Fault.STALL] * SMALL_PUTS)
        with trio.move_on_after(1.0):
            await store.put_batch(batch)
    assert SMALL_PUTS < gcs_server.count(Operation.PUT) <= SMALL_PUTS + SMALL_PUTS // 2
    gcs_server.faults.clear()
