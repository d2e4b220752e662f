"""The one way from trio to the asyncio loop on which the SDKs run.

The loop lives in a thread of its own (on uvloop where that is installed). Cancellation crosses in both
directions: a cancelled trio caller cancels the asyncio task *and waits for its clean-up*, so nothing of a call
outlives it; a task cancelled from the asyncio side raises `TaskCancelled` in its trio caller.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, TypeVarTuple

import outcome
import trio

__all__ = ["Bridge", "TaskCancelled", "in_own_thread", "in_thread", "open_bridge"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class TaskCancelled(Exception):
    """The asyncio side cancelled the task, not our cancel scope: its loop was closed under a call."""


class Bridge:
    """Calls into a running asyncio loop. Made by `open_bridge`; used from one trio run."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def call(self, function: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """Await `function(*args)` on the asyncio loop and return or raise what it does.

        Returns only once the asyncio task has ended. A task that completes in spite of a cancellation returns
        its result.
        """
        waiter = trio.lowlevel.current_task()
        token = trio.lowlevel.current_trio_token()
        task: asyncio.Task[T] | None = None
        raise_cancel: Callable[[], Any] | None = None

        def finish(ended: asyncio.Task[T]) -> None:
            result: outcome.Outcome[T]
            if ended.cancelled():
                result = outcome.capture(raise_cancel) if raise_cancel else outcome.Error(TaskCancelled())
            elif (error := ended.exception()) is not None:
                result = outcome.Error(error)
            else:
                result = outcome.Value(ended.result())
            # The trio run can only be gone if it crashed: then nobody is left to tell.
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(trio.lowlevel.reschedule, waiter, result)

        def start() -> None:
            nonlocal task
            task = self._loop.create_task(function(*args))
            task.add_done_callback(finish)

        def cancel() -> None:
            # `start` came first: the loop runs what it is handed in order.
            assert task is not None
            task.cancel()

        def abort(raise_cancelled: Callable[[], Any]) -> trio.lowlevel.Abort:
            nonlocal raise_cancel
            raise_cancel = raise_cancelled
            self._loop.call_soon_threadsafe(cancel)
            return trio.lowlevel.Abort.FAILED

        await trio.lowlevel.checkpoint_if_cancelled()
        self._loop.call_soon_threadsafe(start)
        result: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return result


@asynccontextmanager
async def open_bridge() -> AsyncIterator[Bridge]:
    """Run an asyncio loop in a thread for as long as the context lasts.

    Leaving it cancels the tasks that are still there, waits for them and joins the thread.
    """
    token = trio.lowlevel.current_trio_token()
    ready = trio.Event()
    loop: asyncio.AbstractEventLoop | None = None
    stop = asyncio.Event()

    async def serve() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        token.run_sync_soon(ready.set)
        await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="asyncio", daemon=True)
    thread.start()
    with trio.CancelScope(shield=True):
        await ready.wait()
    assert loop is not None
    try:
        yield Bridge(loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(thread.join)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def in_thread(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """On the asyncio side: run blocking `function(*args)` in a worker thread, and never leave it running.

    A cancelled caller is told only when the thread is done with the caller's buffers and descriptors.
    """
    return await _outlived(asyncio.get_running_loop().run_in_executor(None, function, *args), lambda: None)


async def in_own_thread(function: Callable[[*Ts], T], *args: *Ts, interrupt: Callable[[], None]) -> T:
    """As `in_thread`, for work that may wait long: in a new thread, so that it takes no worker from anybody.

    `interrupt` is called when the caller is cancelled, and makes `function` end soon.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: outcome.Outcome[T]) -> None:
        if isinstance(result, outcome.Error):
            future.set_exception(result.error)
        else:
            future.set_result(result.unwrap())

    def run() -> None:
        loop.call_soon_threadsafe(settle, outcome.capture(function, *args))

    threading.Thread(target=run, name=function.__name__, daemon=True).start()
    return await _outlived(future, interrupt)


async def _outlived(future: asyncio.Future[T], interrupt: Callable[[], None]) -> T:
    """What `future` brings. A cancelled caller interrupts it, and is told only when it is done."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        interrupt()
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        # Retrieved, so that asyncio does not report it: the caller is past caring.
        future.exception()
        raise
