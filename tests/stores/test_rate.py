"""How many requests are in flight: the policy as numbers, and the gate that holds requests to it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.gate import Gate
from artifactd.daemon.stores.rate import Window

OUTCOMES = st.lists(st.tuples(st.booleans(), st.integers(0, 50), st.integers(1, 100)), max_size=200)


@given(st.integers(1, 100), OUTCOMES)
def test_the_limit_stays_between_one_and_most(most: int, outcomes: list[tuple[bool, int, int]]) -> None:
    window = Window.of(most)
    for success, began, in_flight in outcomes:
        window = window.succeeded() if success else window.throttled(began, in_flight)
        assert 1.0 <= window.limit <= most
        assert window.admits(0)
        assert not window.admits(most)


@given(st.integers(2, 100), st.integers(2, 100))
def test_a_burst_of_refusals_halves_once(most: int, in_flight: int) -> None:
    window = Window.of(most)
    began = window.cuts
    first = window.throttled(began, in_flight)
    assert first.limit == max(1.0, min(most, in_flight) / 2)
    later = first
    for left in range(in_flight, 0, -1):
        later = later.throttled(began, left)
    assert later == first
    assert first.throttled(first.cuts, in_flight).limit < first.limit or first.limit == 1.0


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_round_of_successes_allows_one_more(most: int, limit: int) -> None:
    window = Window(most, float(min(most, limit)))
    after = window
    for _ in range(int(window.limit)):
        after = after.succeeded()
    assert after.limit <= window.limit + 1.0
    assert after.limit == most or after.limit >= window.limit + 0.5


def test_it_recovers_from_one_to_all() -> None:
    window = Window.of(32)
    while window.limit > 1:
        window = window.throttled(window.cuts, int(window.limit))
    rounds = 0
    while window.limit < 32:
        rounds += 1
        for _ in range(int(window.limit)):
            window = window.succeeded()
    assert rounds <= 2 * 32


class Server:
    """Answers when told to; refuses while `busy`."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.most = 0
        self.busy = False
        self.go = asyncio.Event()

    async def request(self) -> None:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await self.go.wait()
            if self.busy:
                raise StoreError(Kind.THROTTLED, "put", "k", "SlowDown")
        finally:
            self.in_flight -= 1


async def send(gate: Gate, server: Server, requests: int, *, busy: bool = False) -> int:
    """Send so many at once; how many of them were in flight together at first."""
    server.busy, server.go, server.most = busy, asyncio.Event(), 0
    tasks = [asyncio.create_task(gate.run(server.request)) for _ in range(requests)]
    for _ in range(3):
        await asyncio.sleep(0)
    most = server.most
    server.go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    return most


def test_refusals_halve_what_is_in_flight_and_successes_raise_it_again() -> None:
    async def run() -> list[int]:
        gate, server = Gate(16), Server()
        return [
            await send(gate, server, 40),
            await send(gate, server, 16, busy=True),
            await send(gate, server, 8),
            await send(gate, server, 8, busy=True),
            await send(gate, server, 400),
            await send(gate, server, 40),
        ]

    assert asyncio.run(run()) == [16, 16, 8, 8, 4, 16]


def test_half_of_what_is_in_flight_is_less_than_half_of_what_may_be() -> None:
    async def run() -> int:
        gate, server = Gate(40), Server()
        await send(gate, server, 8, busy=True)
        return await send(gate, server, 40)

    assert asyncio.run(run()) == 4


def test_a_request_that_waits_for_no_place_narrows_the_window_once_a_round() -> None:
    async def run() -> list[int]:
        gate, server = Gate(40), Server()
        server.busy = True
        refused = [asyncio.create_task(gate.heed(server.request)) for _ in range(10)]
        await asyncio.sleep(0)
        server.go.set()
        await asyncio.gather(*refused, return_exceptions=True)
        return [server.most, await send(gate, Server(), 80)]

    assert asyncio.run(run()) == [10, 20]


@pytest.mark.parametrize("admitted", [False, True])
def test_a_cancelled_request_keeps_no_place(admitted: bool) -> None:
    async def run() -> None:
        gate, server = Gate(1), Server()
        holder = asyncio.create_task(gate.run(server.request))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(gate.run(server.request))
        behind = asyncio.create_task(gate.run(server.request))
        await asyncio.sleep(0)
        if admitted:
            holder.cancel()
            await asyncio.wait([holder])
        waiting.cancel()
        server.go.set()
        async with asyncio.timeout(5):
            await behind
        await asyncio.wait([holder, waiting])

    asyncio.run(run())
