"""Records of what changed in the catalog, on their way to the store: the bucket alone makes a catalog again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import trio
from blake3 import blake3

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.outbox.encoding import digest_of_object, encode
from artifactd.daemon.catalog.outbox.forms import RunRecord
from artifactd.daemon.catalog.outbox.taking import Lag, TakenRecord
from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.stores.base import SINGLE_PUT, Kind, Store, StoreError
from artifactd.daemon.stores.keys import RecordKey, record_key
from artifactd.daemon.stores.retry import LONGEST_SECONDS, delay
from artifactd.daemon.stores.sources import BytesSource
from artifactd.protocol.manifest import digest_of

__all__ = ["Delivery"]

POLL_SECONDS = 5.0
"""How often rows are looked for that another daemon has left."""
GATHER_SECONDS = 0.5
"""How long after a change those that follow it are waited for, to travel in the same records."""


class Delivery:
    """Puts a record of every change into the store, and takes its row out of the outbox.

    It may be killed anywhere, and several daemons may do the same at the same time: what was put is put again
    under the same key, or under another one that says no less. Commits never wait for it.
    """

    def __init__(self, store: Store, catalog: Catalog, calls: CatalogCalls, health: Health) -> None:
        self._store = store
        self._catalog = catalog
        self._calls = calls
        self._health = health
        self._changed = trio.Event()
        self._lag = Lag(0, 0.0)
        self._looked_at = time.monotonic()

    @property
    def lag(self) -> Lag:
        """The rows that waited when the outbox was looked at last, and for how long the oldest waits by now."""
        since = time.monotonic() - self._looked_at
        return Lag(self._lag.rows, self._lag.seconds + since if self._lag.rows else 0.0)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver after every change, and at the latest after `POLL_SECONDS`, until cancelled."""
        token = trio.lowlevel.current_trio_token()
        self._catalog.tell_changes(partial(token.run_sync_soon, self._wake, idempotent=True))
        task_status.started()
        while True:
            self._changed = trio.Event()
            await self._deliver_all()
            with trio.move_on_after(POLL_SECONDS):
                await self._changed.wait()
                await trio.sleep(GATHER_SECONDS)

    async def flush(self) -> None:
        """Deliver what there is, unless the store fails: then the next start does."""
        try:
            while await self._deliver():
                pass
        except StoreError as error:
            self._health.failed(str(error))

    def _wake(self) -> None:
        self._changed.set()

    async def _deliver_all(self) -> None:
        """Go on until the outbox is empty, however long the store is away."""
        failures: Counter[Kind] = Counter()
        while True:
            try:
                if not await self._deliver():
                    return
            except StoreError as error:
                failures[error.kind] += 1
                self._health.failed(f"a record of the catalog was not stored: {error}")
                seconds = delay(error.kind, failures[error.kind], random.random())
                await trio.sleep(LONGEST_SECONDS if seconds is None else seconds)
            else:
                failures.clear()

    async def _deliver(self) -> bool:
        """Deliver one batch; False if nothing waits. Raises `StoreError` when some of it waits on."""
        batch = await self._calls.in_thread(partial(_prepare, self._catalog))
        self._lag, self._looked_at = batch.lag, time.monotonic()
        if not batch.records:
            return False
        # A record that is there names pages that are there.
        errors = await self._put([item for record in batch.records for item in record.pages])
        whole = [record for record in batch.records if not any(key in errors for key, _ in record.pages)]
        errors |= await self._put([item for record in whole for item in record.head])
        reach(Point.RECORDS_STORED)
        covered = [id for record in whole if not any(key in errors for key, _ in record.head) for id in record.ids]
        if covered:
            await self._calls.in_thread(partial(self._catalog.forget, covered))
        if errors:
            raise next(iter(errors.values()))
        self._health.answered()
        return True

    async def _put(self, items: Sequence[tuple[str, bytes]]) -> dict[str, StoreError]:
        """Store objects; why those that are not stored are not, by key."""
        errors: dict[str, StoreError] = {}
        small = [item for item in items if len(item[1]) <= SINGLE_PUT]
        if small:
            outcomes = await self._store.put_batch(small)
            errors |= {key: error for (key, _), error in zip(small, outcomes, strict=True) if error is not None}
        for key, data in items:
            if len(data) > SINGLE_PUT:
                try:
                    await self._store.put(key, BytesSource(data), digest=digest_of(blake3(data).digest()))
                except StoreError as error:
                    errors[key] = error
        return errors


class _Objects(NamedTuple):
    """What one record becomes in the store. Without a head there is nothing to be stored."""

    ids: tuple[int, ...]
    head: list[tuple[str, bytes]]
    pages: list[tuple[str, bytes]]


class _Batch(NamedTuple):
    records: list[_Objects]
    lag: Lag


def _prepare(catalog: Catalog) -> _Batch:
    taken = catalog.take()
    return _Batch([_objects(record) for record in taken.records], taken.lag)


def _objects(taken: TakenRecord) -> _Objects:
    record = taken.record
    if record is None:
        return _Objects(taken.ids, [], [])
    encoded = encode(record)
    key = RecordKey(
        kind="run" if isinstance(record, RunRecord) else "collection",
        entity=record.entity,
        project=record.project,
        name=record.name,
        revision=taken.revision,
        digest=digest_of_object(encoded.head),
    )
    pages = [replace(key, digest=digest_of_object(page), page=True) for page in encoded.pages]
    return _Objects(
        taken.ids,
        [(record_key(key), encoded.head)],
        [(record_key(page), data) for page, data in zip(pages, encoded.pages, strict=True)],
    )
