"""The live queue: states move by the table, waiters hear of it, and nothing is taken twice."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from artifactd.daemon.queue.burst import LULL
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol.states import IllegalTransition, State


def submission(position: int, name: str = "m", *, priority: int = 0, durable: bool = True) -> Submission:
    return Submission(
        position=position,
        uid=1,
        id=position.to_bytes(16, "big"),
        entity="e",
        project="p",
        name=name,
        type="t",
        files=1,
        size=10,
        priority=priority,
        accepted_at=0.0,
        weight=100,
        durable=durable,
    )


def accepted(queue: Queue, *submissions: Submission) -> None:
    for item in submissions:
        queue.accept(item, None)


async def make_ready(queue: Queue, item: Submission) -> None:
    queue.advance(item, State.HASHING)
    queue.ready(item, "blake3:x")


async def test_work_is_handed_out_by_priority_and_then_by_acceptance() -> None:
    queue = Queue()
    accepted(queue, submission(1), submission(2, priority=5), submission(3, priority=5))
    assert [(await queue.next_to_process()).position for _ in range(3)] == [2, 3, 1]


async def test_waiting_for_work_ends_when_it_arrives(autojump_clock: trio.testing.MockClock) -> None:
    queue = Queue()
    async with trio.open_nursery() as nursery:

        async def take() -> None:
            assert (await queue.next_to_process()).position == 1

        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        accepted(queue, submission(1))


async def test_a_client_that_waits_for_the_newest_submission_has_it_processed_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    queue = Queue()
    older, newest = submission(1), submission(2)
    accepted(queue, older, newest)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def take() -> None:
            assert await queue.next_to_process() is older
            assert trio.current_time() == begun

        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        queue.awaited(newest)


async def test_waiting_for_an_older_submission_ends_no_burst(autojump_clock: trio.testing.MockClock) -> None:
    queue = Queue()
    older, newest = submission(1), submission(2)
    accepted(queue, older, newest)
    queue.awaited(older)
    begun = trio.current_time()
    await queue.next_to_process()
    assert trio.current_time() == pytest.approx(begun + LULL)


async def test_a_dropped_one_is_never_processed() -> None:
    queue = Queue()
    first, second = submission(1), submission(2)
    accepted(queue, first, second)
    queue.drop(first, State.FAILED)
    assert (await queue.next_to_process()) is second


async def test_an_illegal_move_raises_and_changes_nothing() -> None:
    queue = Queue()
    item = submission(1)
    accepted(queue, item)
    with pytest.raises(IllegalTransition):
        queue.advance(item, State.COMMITTED)
    assert item.state is State.ACCEPTED
    assert queue.counts[State.ACCEPTED] == 1


async def test_counts_and_bytes_follow_the_states() -> None:
    queue = Queue()
    items = [submission(1), submission(2)]
    accepted(queue, *items)
    await make_ready(queue, items[0])
    assert (queue.counts[State.ACCEPTED], queue.counts[State.READY], queue.bytes) == (1, 1, 20)
    (taken,) = await queue.next_to_commit(10)
    queue.committed(taken)
    assert (sum(queue.counts.values()), queue.bytes, len(queue)) == (1, 10, 1)
    assert queue.find(1, items[0].id) is None


async def test_everyone_who_waits_hears_of_a_change() -> None:
    queue = Queue()
    item = submission(1)
    accepted(queue, item)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(queue.wait_changed, item)
        await trio.testing.wait_all_tasks_blocked()
        queue.advance(item, State.HASHING)


async def test_what_is_taken_for_commit_can_no_longer_be_dropped() -> None:
    queue = Queue()
    item = submission(1)
    accepted(queue, item)
    await make_ready(queue, item)
    assert queue.droppable(item)
    await queue.next_to_commit(10)
    assert not queue.droppable(item)
    assert queue.holds(item)


async def test_the_reason_for_waiting_is_named() -> None:
    queue = Queue()
    first, second = submission(1), submission(2)
    accepted(queue, first, second)
    assert queue.waits_for(second) == "a free worker"
    await make_ready(queue, second)
    assert queue.waits_for(second) == f"the commit of {first.id.hex()}"
    second.waiting_for = "the store: down"
    assert queue.waits_for(second) == "the store: down"


async def test_commits_are_idle_only_when_none_is_under_way(autojump_clock: trio.testing.MockClock) -> None:
    queue = Queue()
    item = submission(1)
    accepted(queue, item)
    order: list[str] = []

    async def committer() -> None:
        for _ in range(2):
            (taken,) = await queue.next_to_commit(10)
            await trio.sleep(5)
            queue.committed(taken)
            order.append("committed")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer)
        await trio.testing.wait_all_tasks_blocked()
        await queue.wait_commits_idle()
        await make_ready(queue, item)
        await trio.testing.wait_all_tasks_blocked()
        await queue.wait_commits_idle()
        order.append("idle")
        nursery.cancel_scope.cancel()
    assert order == ["committed", "idle"]


async def test_durability_is_told_once_and_left_behind_by_a_commit() -> None:
    queue = Queue()
    one, two = submission(1, durable=False), submission(2, durable=False)
    accepted(queue, one, two)
    assert queue.next_to_sync(10) == [one, two]
    queue.synced([one], durable=[one])
    assert one.durable
    assert queue.next_to_sync(10) == [two]
    queue.drop(two, State.FAILED)
    assert queue.next_to_sync(10) == []


async def test_one_that_turns_out_to_be_committed_settles_without_being_processed() -> None:
    queue = Queue()
    first, second = submission(1), submission(2)
    accepted(queue, first, second)
    queue.settle(first)
    assert (await queue.next_to_process()) is second
    await make_ready(queue, second)
    assert await queue.next_to_commit(10) == [second]
