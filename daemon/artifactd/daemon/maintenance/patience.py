"""Calls of store and catalog that outlive a short outage, and give up when it lasts."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import trio

from artifactd.daemon.catalog.records import CatalogUnavailable
from artifactd.daemon.stores.base import Kind, ObjectInfo, Store, StoreError
from artifactd.daemon.stores.retry import delay

__all__ = ["catalog_call", "list_objects", "patiently"]

MAX_ATTEMPTS = 6
"""At most: they take a quarter of a minute together, beside what each waits for an answer itself."""

T = TypeVar("T")


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Await `call()`, again and again if the store or the catalog cannot answer now; raises its last error.

    An object that is not there is an answer. Cancelling ends it at once.
    """
    attempt = 0
    while True:
        try:
            return await call()
        except (StoreError, CatalogUnavailable) as error:
            attempt += 1
            pause = _pause_after(error, attempt)
            if pause is None:
                raise
        await trio.sleep(pause)


async def catalog_call(call: Callable[[], T]) -> T:
    """Have a thread call the catalog, `patiently`. Cancelling waits for the statement that runs."""
    return await patiently(lambda: trio.to_thread.run_sync(call))


async def list_objects(store: Store, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
    """`Store.list`, which after a failure goes on where it was; close it when stopping early."""
    last, attempt = "", 0
    while True:
        try:
            async with aclosing(store.list(prefix)) as objects:
                async for info in objects:
                    if info.key > last:
                        last, attempt = info.key, 0
                        yield info
            return
        except StoreError as error:
            attempt += 1
            pause = _pause_after(error, attempt)
            if pause is None:
                raise
        await trio.sleep(pause)


def _pause_after(error: StoreError | CatalogUnavailable, attempt: int) -> float | None:
    kind = error.kind if isinstance(error, StoreError) else Kind.TRANSIENT
    if kind is Kind.NOT_FOUND or attempt >= MAX_ATTEMPTS:
        return None
    return delay(kind, attempt, random.random())
