"""Threads that share out the work of one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["share_out"]

Item = TypeVar("Item")


class _Stopped(Exception):
    """Another thread failed, or the caller was interrupted."""


def share_out(
    items: Iterator[Item], works: Sequence[Callable[[Iterator[Item], Callable[[], None]], None]]
) -> None:
    """Call each of `works` in a thread; its first argument yields some of `items`, its second is a check.

    The check, to be called often, raises when there is no use in going on. Raises the first failure of any
    thread. Interrupted by Ctrl-C, waits for each thread to come to its next check; a second Ctrl-C does not.
    """
    lock = threading.Lock()
    stopped = threading.Event()
    failures: list[BaseException] = []

    def check() -> None:
        if stopped.is_set():
            raise _Stopped

    def some() -> Iterator[Item]:
        while True:
            check()
            with lock:
                item = next(items, None)
            if item is None:
                return
            yield item

    def run(work: Callable[[Iterator[Item], Callable[[], None]], None]) -> None:
        try:
            work(some(), check)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001 it is raised in the caller's thread
            failures.append(error)
            stopped.set()

    # As daemons they cannot keep a process alive whose user has given up.
    crew = [threading.Thread(target=run, args=[work], daemon=True) for work in works]
    try:
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
    finally:
        stopped.set()
        for thread in crew:
            thread.join()
    if failures:
        raise failures[0]
