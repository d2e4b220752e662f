"""Running a command of maintenance: told on a terminal how far it is, and stopped by the first signal."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import trio

from artifactd.daemon.console import show

__all__ = ["run_and_tell"]

_TELL_SECONDS = 0.2


async def run_and_tell(work: Callable[[], Awaitable[None]], step: Callable[[], str]) -> None:
    """Do `work`, and show meanwhile what `step` says; the first SIGINT or SIGTERM cancels it, with no error."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_when_told, signals, nursery.cancel_scope)
            nursery.start_soon(_tell, step)
            try:
                await work()
            finally:
                show("")
            nursery.cancel_scope.cancel()


async def _stop_when_told(signals: AsyncIterator[int], work: trio.CancelScope) -> None:
    await anext(signals)
    work.cancel()


async def _tell(step: Callable[[], str]) -> None:
    while True:
        show(step())
        await trio.sleep(_TELL_SECONDS)
