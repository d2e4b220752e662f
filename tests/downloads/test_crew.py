"""Threads share out the work; the first failure is the caller's, and ends the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from artifactd.client._crew import share_out

Check = Callable[[], None]


def test_every_item_is_done_once() -> None:
    done: list[int] = []
    share_out(iter(range(1000)), [lambda some, check: done.extend(some)] * 4)
    assert sorted(done) == list(range(1000))


def test_the_first_failure_is_raised_and_ends_the_others() -> None:
    begun = threading.Barrier(2)

    def fail(some: Iterator[int], check: Check) -> None:
        begun.wait()
        raise ValueError("mine")

    def last(some: Iterator[int], check: Check) -> None:
        begun.wait()
        while True:
            check()

    with pytest.raises(ValueError, match="mine"):
        share_out(iter(range(1000)), [fail, last])


def test_a_failure_of_the_items_is_raised() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        share_out(broken(), [lambda some, check: list(some)] * 3)


def test_an_interruption_waits_for_each_thread_to_come_to_its_check(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    begun = threading.Event()

    def work(some: Iterator[int], check: Check) -> None:
        begun.set()
        try:
            while True:
                check()
        finally:
            ended.set()

    join = threading.Thread.join

    def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
        monkeypatch.setattr(threading.Thread, "join", join)
        begun.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        share_out(iter(range(1000)), [work])
    assert ended.is_set()
