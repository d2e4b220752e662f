"""From a store's URL to the store. What only one kind of store needs is imported when one is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import SplitResult, unquote

import trio

from artifactd.daemon.settings import StoreSettings
from artifactd.daemon.store_url import split_store_url
from artifactd.daemon.stores.base import Store, UploadJournal
from artifactd.daemon.stores.gcs.options import PLAIN, GCSOptions
from artifactd.daemon.stores.s3.options import S3Options

__all__ = ["GCSOptions", "S3Options", "open_store", "store_options"]


def store_options(settings: StoreSettings) -> tuple[S3Options, GCSOptions]:
    """What a bucket needs to know beside the store's URL."""
    s3, gcs = settings.s3.model_dump(mode="json"), settings.gcs.model_dump(mode="json")
    return S3Options(**s3), GCSOptions(**gcs)


@asynccontextmanager
async def open_store(
    url: str, *, s3: S3Options, gcs: GCSOptions = PLAIN, journal: UploadJournal
) -> AsyncIterator[Store]:
    """Open `file:///dir`, `s3://bucket/prefix`, `gs://bucket/prefix` or `memory:` while the context lasts.

    Leaving it closes the store and, for a bucket, ends the asyncio thread. Raises `ValueError` for any other URL,
    and `StoreUnusable` for what the SDK finds configured and cannot work with.
    """
    parts = split_store_url(url)
    if parts.scheme == "s3":
        async with _open_s3(parts, s3, journal) as store:
            yield store
    elif parts.scheme == "gs":
        async with _open_gcs(parts, gcs, journal) as store:
            yield store
    elif parts.scheme == "file":
        from artifactd.daemon.stores.local.store import LocalStore

        yield LocalStore(Path(unquote(parts.path)))
    else:
        from artifactd.daemon.stores.memory import MemoryStore

        yield MemoryStore()


@asynccontextmanager
async def _open_s3(parts: SplitResult, options: S3Options, journal: UploadJournal) -> AsyncIterator[Store]:
    from artifactd.daemon.stores.asyncio_bridge import open_bridge
    from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS
    from artifactd.daemon.stores.s3.client import open_client
    from artifactd.daemon.stores.s3.store import S3Store

    async with open_bridge() as bridge:
        client = await bridge.call(open_client, options, SMALL_PUTS)
        store = S3Store(bridge, client, parts.netloc, parts.path.strip("/"), options, journal)
        async with _closing(store):
            yield store


@asynccontextmanager
async def _open_gcs(parts: SplitResult, options: GCSOptions, journal: UploadJournal) -> AsyncIterator[Store]:
    from artifactd.daemon.stores.asyncio_bridge import open_bridge
    from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS
    from artifactd.daemon.stores.gcs.http import open_http
    from artifactd.daemon.stores.gcs.store import GCSStore

    async with open_bridge() as bridge:
        http = await bridge.call(open_http, options, SMALL_PUTS)
        store = GCSStore(bridge, http, parts.netloc, parts.path.strip("/"), options, journal)
        async with _closing(store):
            yield store


@asynccontextmanager
async def _closing(store: Store) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await store.aclose()
