"""Group commit: everything that arrived during the last transaction goes into the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import outcome
import trio

__all__ = ["GroupCommit"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Feeds one writer thread with batches.

    `write` is called in a worker thread, never twice at once, with the items in the order of their `post`; it
    returns one outcome per item once they are durable. If it raises, every item of the batch gets that error.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[outcome.Outcome[Result]]], limit: int) -> None:
        self._write = write
        self._limit = limit
        self._pending: list[tuple[Item, Callable[[outcome.Outcome[Result]], None]]] = []
        self._arrived = trio.Event()
        self._closing = False
        # Its own thread: whoever else fills the shared ones, acknowledgements go on.
        self._thread = trio.CapacityLimiter(1)
        self.batches = 0
        self.items = 0

    def post(self, item: Item, done: Callable[[outcome.Outcome[Result]], None]) -> None:
        """Queue an item; `done` is called on the trio thread, in order of `post`, when it is durable."""
        self._pending.append((item, done))
        self._arrived.set()

    async def submit(self, *items: Item) -> list[Result]:
        """Queue items and wait until all are durable. Cancelling stops the waiting, not the writes."""
        results: list[outcome.Outcome[Result]] = []
        written = trio.Event()

        def done(result: outcome.Outcome[Result]) -> None:
            results.append(result)
            if len(results) == len(items):
                written.set()

        for item in items:
            self.post(item, done)
        if items:
            await written.wait()
        return [result.unwrap() for result in results]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write batches until `close`; what was posted before it is written first."""
        task_status.started()
        while not (self._closing and not self._pending):
            await self._arrived.wait()
            batch, self._pending = self._pending[: self._limit], self._pending[self._limit :]
            if not self._pending and not self._closing:
                self._arrived = trio.Event()
            if batch:
                await self._write_batch(batch)

    async def _write_batch(self, batch: list[tuple[Item, Callable[[outcome.Outcome[Result]], None]]]) -> None:
        items = [item for item, _ in batch]
        results: Sequence[outcome.Outcome[Result]]
        try:
            results = await trio.to_thread.run_sync(self._write, items, limiter=self._thread)
        except Exception as error:  # noqa: BLE001
            # Each poster hears of it; whether to go on is theirs to say.
            results = [outcome.Error(error) for _ in items]
        else:
            self.batches += 1
            self.items += len(items)
        for (_, done), result in zip(batch, results, strict=True):
            done(result)

    def close(self) -> None:
        """Let `run` return once everything posted is written."""
        self._closing = True
        self._arrived.set()
