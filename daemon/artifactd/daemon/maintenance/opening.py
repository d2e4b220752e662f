"""Opening what maintenance works on: the catalog and the store. A daemon need not run, and may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import NoReturn

import trio

from artifactd.daemon.catalog.collector import Collector
from artifactd.daemon.catalog.reader import CatalogReader
from artifactd.daemon.settings import Settings
from artifactd.daemon.stores.base import SentPart, Store, StoreUnusable, UnfinishedUpload
from artifactd.daemon.stores.factory import open_store, store_options

__all__ = ["open_to_collect", "open_to_look", "open_to_read"]


@asynccontextmanager
async def open_to_collect(settings: Settings) -> AsyncIterator[tuple[Collector, Store]]:
    """The catalog's collector and the store while the context lasts; raises what `open_to_read` does."""
    with closing(await trio.to_thread.run_sync(Collector.open, settings.catalog_url)) as collector:
        async with open_to_look(settings) as store:
            yield collector, store


@asynccontextmanager
async def open_to_read(settings: Settings) -> AsyncIterator[tuple[CatalogReader, Store]]:
    """The catalog's reader and the store, of which nothing is changed, while the context lasts.

    Raises `CatalogUnusable`, `CatalogUnavailable`, and `StoreUnusable`, also for `memory:`, where nothing outlives
    a daemon.
    """
    with closing(await trio.to_thread.run_sync(CatalogReader.open, settings.catalog_url)) as catalog:
        async with open_to_look(settings) as store:
            yield catalog, store


def open_to_look(settings: Settings) -> AbstractAsyncContextManager[Store]:
    """The store, for all but uploads, while the context lasts. Raises `StoreUnusable`, also for `memory:`."""
    if settings.store_url == "memory:":
        raise StoreUnusable(
            "the store memory: is inside its daemon, and ends with it: there is nothing to look at"
        )
    s3, gcs = store_options(settings.store)
    return open_store(settings.store_url, s3=s3, gcs=gcs, journal=_NoUploads())


class _NoUploads:
    """The `UploadJournal` of a process that uploads nothing."""

    async def creating(self, key: str) -> None:
        _refuse()

    async def created(self, key: str, upload_id: str, part_size: int) -> None:
        _refuse()

    def sent(self, key: str, upload_id: str, parts: Sequence[SentPart]) -> None:
        _refuse()

    async def ended(self, key: str) -> None:
        _refuse()

    async def unfinished(self) -> list[UnfinishedUpload]:
        _refuse()

    async def parts(self, key: str) -> list[SentPart]:
        _refuse()


def _refuse() -> NoReturn:
    raise AssertionError("maintenance uploads nothing")
