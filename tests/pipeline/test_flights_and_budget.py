"""One upload per blob, and a bound on memory that nobody is starved by."""

from __future__ import annotations

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.pipeline.budget import ByteBudget
from artifactd.daemon.pipeline.flights import Flights


def test_a_blob_under_way_belongs_to_the_first_and_again_to_nobody_when_released() -> None:
    flights = Flights()
    mine, theirs = flights.claim("e", ["a", "b"])
    assert (mine, theirs) == (["a", "b"], [])
    second, waits = flights.claim("e", ["b", "c"])
    assert second == ["c"]
    flights.release("e", ["a"])
    assert [wait.is_set() for wait in waits] == [False]
    flights.release("e", ["b"])
    assert [wait.is_set() for wait in waits] == [True]
    assert flights.claim("e", ["b"])[0] == ["b"]


def test_entities_do_not_learn_of_each_others_flights() -> None:
    flights = Flights()
    flights.claim("one", ["a"])
    assert flights.claim("two", ["a"]) == (["a"], [])


async def test_a_large_claim_is_not_overtaken_by_small_ones() -> None:
    budget = ByteBudget(10)
    order: list[str] = []

    async def claim(name: str, size: int) -> None:
        await budget.acquire(size)
        order.append(name)

    await budget.acquire(8)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(claim, "large", 10)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(claim, "small", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert order == []
        budget.release(8)
        await trio.testing.wait_all_tasks_blocked()
        assert order == ["large"]
        budget.release(10)
    assert order == ["large", "small"]


async def test_giving_up_a_claim_lets_those_behind_it_go_on() -> None:
    budget = ByteBudget(10)
    await budget.acquire(5)
    got = []

    async def small() -> None:
        await budget.acquire(3)
        got.append("small")

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                inner.start_soon(budget.acquire, 10)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(small)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
    assert got == ["small"]


@given(st.lists(st.integers(1, 10), max_size=30))
def test_what_is_held_never_exceeds_the_budget_and_all_is_given_back(sizes: list[int]) -> None:
    budget = ByteBudget(10)
    held = 0

    async def hold(size: int) -> None:
        nonlocal held
        await budget.acquire(size)
        held += size
        assert held <= 10
        await trio.lowlevel.checkpoint()
        held -= size
        budget.release(size)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for size in sizes:
                nursery.start_soon(hold, size)
        await budget.acquire(10)

    trio.run(main)
