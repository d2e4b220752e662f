"""trio awaits asyncio: results, errors, cancellation in both directions, and nothing left behind."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import trio

from artifactd.daemon.stores.asyncio_bridge import Bridge, TaskCancelled, in_own_thread, in_thread, open_bridge


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    async with open_bridge() as opened:
        yield opened


class Sleeper:
    """An asyncio task that sleeps until it is cancelled, then takes its time to clean up."""

    def __init__(self) -> None:
        self.started = trio.Event()
        self.cleaned_up = False
        self.task: asyncio.Task[object] | None = None
        self._token = trio.lowlevel.current_trio_token()

    async def sleep(self) -> str:
        self.task = asyncio.current_task()
        self._token.run_sync_soon(self.started.set)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            self.cleaned_up = True
        return "never"


async def test_a_call_returns_what_the_coroutine_returns(bridge: Bridge) -> None:
    async def add(left: int, right: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return left + right, threading.current_thread().name

    assert await bridge.call(add, 1, 2) == (3, "asyncio")


async def test_a_call_raises_what_the_coroutine_raises(bridge: Bridge) -> None:
    async def fail() -> None:
        raise LookupError("there")

    with pytest.raises(LookupError, match="there"):
        await bridge.call(fail)


async def test_calls_overlap(bridge: Bridge) -> None:
    meeting = asyncio.Barrier(3)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(bridge.call, meeting.wait)


async def test_a_cancelled_caller_waits_for_the_clean_up_of_the_task(bridge: Bridge) -> None:
    sleeper = Sleeper()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.call, sleeper.sleep)
            await sleeper.started.wait()
            scope.cancel()
    assert scope.cancelled_caught
    assert sleeper.cleaned_up


async def test_a_caller_cancelled_before_the_task_began_starts_nothing(bridge: Bridge) -> None:
    sleeper = Sleeper()
    with trio.CancelScope() as scope:
        scope.cancel()
        await bridge.call(sleeper.sleep)
    assert scope.cancelled_caught
    assert not sleeper.started.is_set()


async def test_a_task_that_completes_in_spite_of_cancellation_returns_its_result(bridge: Bridge) -> None:
    started = trio.Event()
    token = trio.lowlevel.current_trio_token()

    async def stubborn() -> str:
        token.run_sync_soon(started.set)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done"
        return "never"

    results = []
    async with trio.open_nursery() as nursery:

        async def call() -> None:
            results.append(await bridge.call(stubborn))

        nursery.start_soon(call)
        await started.wait()
        nursery.cancel_scope.cancel()
    assert results == ["done"]


async def test_a_task_cancelled_by_asyncio_raises_in_its_caller(bridge: Bridge) -> None:
    sleeper = Sleeper()

    async def cancel() -> None:
        assert sleeper.task is not None
        sleeper.task.cancel()

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def call() -> None:
            with pytest.raises(TaskCancelled):
                await bridge.call(sleeper.sleep)

        await sleeper.started.wait()
        await bridge.call(cancel)


async def test_leaving_the_bridge_ends_its_tasks_and_its_thread() -> None:
    sleeper = Sleeper()
    async with trio.open_nursery() as nursery, open_bridge() as bridge:

        @nursery.start_soon
        async def call() -> None:
            with pytest.raises(TaskCancelled):
                await bridge.call(sleeper.sleep)

        await sleeper.started.wait()
    assert sleeper.cleaned_up
    assert "asyncio" not in [thread.name for thread in threading.enumerate()]


async def test_in_thread_does_not_leave_before_its_thread(bridge: Bridge) -> None:
    entered, gate, left = trio.Event(), threading.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def block() -> None:
        token.run_sync_soon(entered.set)
        assert gate.wait(10)
        left.set()

    ended_after_thread = None
    async with trio.open_nursery() as nursery:

        async def call() -> None:
            nonlocal ended_after_thread
            try:
                await bridge.call(in_thread, block)
            finally:
                ended_after_thread = left.is_set()

        nursery.start_soon(call)
        await entered.wait()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            # Twice around the loop, in which a cancelled call that does not wait would have ended.
            await bridge.call(asyncio.sleep, 0)
            await bridge.call(asyncio.sleep, 0)
        assert ended_after_thread is None
        gate.set()
    assert ended_after_thread is True


async def test_a_cancelled_call_interrupts_its_own_thread_and_waits_for_it(bridge: Bridge) -> None:
    entered, gate, left = trio.Event(), threading.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def block() -> None:
        token.run_sync_soon(entered.set)
        assert gate.wait(10)
        left.set()

    async def work() -> None:
        await in_own_thread(block, interrupt=gate.set)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.call, work)
        await entered.wait()
        nursery.cancel_scope.cancel()
    assert left.is_set()


async def test_an_own_thread_passes_results_and_errors_on(bridge: Bridge) -> None:
    async def call(function: Callable[[str], object], text: str) -> object:
        return await in_own_thread(function, text, interrupt=lambda: None)

    assert await bridge.call(call, str.upper, "abc") == "ABC"
    with pytest.raises(ValueError, match="invalid literal"):
        await bridge.call(call, int, "x")


async def test_in_thread_passes_results_and_errors_on(bridge: Bridge) -> None:
    assert await bridge.call(in_thread, "abc".upper) == "ABC"
    with pytest.raises(ValueError, match="invalid literal"):
        await bridge.call(in_thread, int, "x")


async def test_the_bridge_works_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    async def loop_module() -> str:
        return type(asyncio.get_running_loop()).__module__

    async with open_bridge() as bridge:
        assert (await bridge.call(loop_module)).startswith("asyncio.")
