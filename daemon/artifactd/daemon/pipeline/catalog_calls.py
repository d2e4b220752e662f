"""Calling the blocking catalog from trio, and outliving its outages: every write of it is idempotent."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

from artifactd.daemon.catalog.records import CatalogUnavailable
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.stores.base import Kind
from artifactd.daemon.stores.retry import delay

__all__ = ["CatalogCalls"]

Result = TypeVar("Result")


class CatalogCalls:
    """Repeats a call for as long as the catalog is unavailable. Cancelling takes effect between attempts."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def in_thread(self, call: Callable[[], Result]) -> Result:
        """Run a blocking call of the catalog."""
        return await self.repeat(partial(trio.to_thread.run_sync, call))

    async def repeat(self, call: Callable[[], Awaitable[Result]]) -> Result:
        attempt = 0
        while True:
            try:
                result = await call()
            except CatalogUnavailable as error:
                attempt += 1
                self._health.failed(str(error))
                await trio.sleep(delay(Kind.TRANSIENT, attempt, random.random()) or 0.0)
            else:
                self._health.answered()
                return result
