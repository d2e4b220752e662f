"""A server that asks for less gets less, in answer to whichever request it says so; and by and by all again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
import trio

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS
from artifactd.daemon.stores.factory import S3Options
from servers.faults import Fault, Rule
from servers.process import S3Server
from servers.s3_requests import Operation
from stores.support import MIB, put, some_bytes
from stores.trial import Trial, open_trial

WINDOW = S3Options().concurrency + SMALL_PUTS
LARGE = some_bytes(8 * MIB + 3)
GLANCE_SECONDS = 0.5


async def put_large(trial: Trial) -> None:
    await put(trial.store, "aa/large", LARGE)


async def list_one(trial: Trial) -> None:
    async with aclosing(trial.store.list("")) as listing:
        async for _ in listing:
            break


REQUESTS: dict[Operation, Callable[[Trial], Awaitable[object]]] = {
    Operation.CREATE: put_large,
    Operation.COMPLETE: put_large,
    Operation.LIST_PARTS: put_large,
    Operation.HEAD: lambda trial: trial.store.head("aa/large"),
    Operation.DELETE: lambda trial: trial.store.delete("aa/large"),
    Operation.LIST: list_one,
}


async def in_flight(trial: Trial) -> int:
    """How many small objects are on their way at once."""
    trial.faults.replace([Rule(Fault.STALLED_REQUEST, {Operation.PUT}, times=None)])
    before = trial.faults.count(Operation.PUT)
    with trio.move_on_after(GLANCE_SECONDS):
        await trial.store.put_batch([(f"aa/{number}", b"data") for number in range(WINDOW)])
    trial.faults.replace([])
    return trial.faults.count(Operation.PUT) - before


@pytest.mark.parametrize("operation", REQUESTS)
async def test_whatever_is_throttled_narrows_the_window_and_it_recovers(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, operation: Operation
) -> None:
    async with open_trial(juicefs_server, monkeypatch) as trial:
        if operation is Operation.LIST_PARTS:
            trial.faults.replace([Rule(Fault.DENIED, {Operation.PART}, times=None)])
            with pytest.raises(StoreError):
                await put_large(trial)
        trial.faults.replace([Rule(Fault.SLOW_DOWN, {operation}, times=None)])
        with pytest.raises(StoreError) as caught:
            await REQUESTS[operation](trial)
        assert caught.value.kind is Kind.THROTTLED
        narrowed = await in_flight(trial)
        # Each of the attempts at a completion is a round of its own.
        assert 1 <= narrowed <= WINDOW // 2
        for _ in range(5):
            assert set(await trial.store.put_batch([(f"aa/{n}", b"data") for n in range(WINDOW)])) == {None}
        assert await in_flight(trial) > narrowed
