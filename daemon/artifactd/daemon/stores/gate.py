"""Requests that carry bytes, as many at once as the server bears. It may say so in answer to any request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.rate import Window

__all__ = ["Gate"]

T = TypeVar("T")


class Gate:
    """Admits requests in the order in which they come, within a `Window`. For use on one asyncio loop."""

    def __init__(self, most: int) -> None:
        self._window = Window.of(most)
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def run(self, request: Callable[[], Awaitable[T]]) -> T:
        """Wait for a place, await `request()` and learn from its outcome; returns or raises what it does."""
        await self._enter()
        try:
            result = await self.heed(request)
            self._window = self._window.succeeded()
            return result
        finally:
            self._leave()

    async def heed(self, request: Callable[[], Awaitable[T]]) -> T:
        """Await a request that carries nothing and waits for no place, but whose refusal counts as any other's."""
        began = self._window.cuts
        try:
            return await request()
        except StoreError as error:
            if error.kind is Kind.THROTTLED:
                # With nothing of ours in flight it is others who ask too much: half of what we may ask.
                self._window = self._window.throttled(began, self._in_flight or self._window.most)
            raise

    async def _enter(self) -> None:
        if not self._waiting and self._window.admits(self._in_flight):
            self._in_flight += 1
            return
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(admitted)
        self._admit()
        try:
            await admitted
        except asyncio.CancelledError:
            if not admitted.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._window.admits(self._in_flight):
            admitted = self._waiting.popleft()
            if not admitted.done():
                self._in_flight += 1
                admitted.set_result(None)
