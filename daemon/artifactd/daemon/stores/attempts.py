"""A few quick attempts at one request, within what all requests together may repeat."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Set
from typing import TypeVar

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.retry import RetryBudget, delay

__all__ = ["RETRIED", "Attempts"]

T = TypeVar("T")

RETRIED = frozenset({Kind.TRANSIENT, Kind.THROTTLED, Kind.CORRUPT, Kind.UNKNOWN_OUTCOME})

_MOST = 4


class Attempts:
    """Shared by all requests of a store. For use on one asyncio loop."""

    def __init__(self) -> None:
        self._budget = RetryBudget(time.monotonic())

    async def persist(self, attempt: Callable[[int], Awaitable[T]], kinds: Set[Kind]) -> T:
        """Await `attempt(number)`, again after failures of these kinds, at most `_MOST` times in all.

        Where the budget has no retry left the failure is the caller's at once: the pipeline has more patience.
        """
        self._budget.asked()
        number = 1
        while True:
            try:
                return await attempt(number)
            except StoreError as error:
                seconds = delay(error.kind, number, random.random()) if error.kind in kinds else None
                if seconds is None or number == _MOST or not self._budget.spend(time.monotonic()):
                    raise
            await asyncio.sleep(seconds)
            number += 1
