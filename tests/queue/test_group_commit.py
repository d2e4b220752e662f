"""Group commit: what arrives during a write goes into the next one, in order, and errors reach their posters."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import outcome
import pytest
import trio
import trio.testing

from artifactd.daemon.queue.group_commit import GroupCommit


class Writer:
    """Writes numbers; the first batch waits for the test's word."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go_on = threading.Event()

    def write(self, items: Sequence[int]) -> list[outcome.Outcome[int]]:
        assert self.go_on.wait(10)
        self.batches.append(list(items))
        return [outcome.Error(ValueError(f"{item}")) if item < 0 else outcome.Value(item * 10) for item in items]


async def test_what_arrives_during_a_write_shares_the_next_one() -> None:
    writer = Writer()
    commit: GroupCommit[int, int] = GroupCommit(writer.write, 100)
    done: list[int] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(commit.run)
        commit.post(1, lambda result: done.append(result.unwrap()))
        await trio.testing.wait_all_tasks_blocked()
        for item in (2, 3, 4):
            commit.post(item, lambda result: done.append(result.unwrap()))
        writer.go_on.set()
        assert await commit.submit(5, 6) == [50, 60]
        commit.close()
    assert writer.batches == [[1], [2, 3, 4, 5, 6]]
    assert done == [10, 20, 30, 40]


async def test_a_batch_is_bounded() -> None:
    writer = Writer()
    writer.go_on.set()
    commit: GroupCommit[int, int] = GroupCommit(writer.write, 2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit.run)
        assert await commit.submit(1, 2, 3, 4, 5) == [10, 20, 30, 40, 50]
        commit.close()
    assert writer.batches == [[1, 2], [3, 4], [5]]


async def test_one_refused_item_leaves_the_others() -> None:
    writer = Writer()
    writer.go_on.set()
    commit: GroupCommit[int, int] = GroupCommit(writer.write, 10)
    results: list[outcome.Outcome[int]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit.run)
        for item in (1, -2, 3):
            commit.post(item, results.append)
        with pytest.raises(ValueError, match="-4"):
            await commit.submit(-4)
        commit.close()
    assert [type(result).__name__ for result in results] == ["Value", "Error", "Value"]


async def test_a_write_that_fails_fails_every_item_of_its_batch_and_not_the_writer() -> None:
    calls = []

    def write(items: Sequence[int]) -> list[outcome.Outcome[int]]:
        calls.append(list(items))
        if len(calls) == 1:
            raise OSError("disk")
        return [outcome.Value(item) for item in items]

    commit: GroupCommit[int, int] = GroupCommit(write, 10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit.run)
        with pytest.raises(OSError, match="disk"):
            await commit.submit(1, 2)
        assert await commit.submit(3) == [3]
        commit.close()


async def test_closing_writes_what_was_posted_before() -> None:
    writer = Writer()
    writer.go_on.set()
    commit: GroupCommit[int, int] = GroupCommit(writer.write, 1)
    for item in range(3):
        commit.post(item, lambda result: None)
    commit.close()
    await commit.run()
    assert writer.batches == [[0], [1], [2]]
