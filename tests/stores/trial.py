"""The daemon's own uploader before a server that a `fault_proxy` spoils, and what must be true at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import outcome
import pytest
import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.pipeline.uploader import Blob, Registration, Uploader
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.stores import retry
from artifactd.daemon.stores.base import Source, Store
from artifactd.daemon.stores.factory import open_store
from artifactd.daemon.stores.keys import blob_key
from artifactd.daemon.stores.s3 import body as s3_body
from artifactd.daemon.stores.s3 import client as s3_client
from artifactd.daemon.stores.sources import BytesSource
from servers.buckets import s3_client as botocore_client
from servers.buckets import unfinished_uploads
from servers.fault_proxy import fault_proxy
from servers.faults import Fault, Faults, Rule
from servers.process import S3Server
from stores.conftest import PREFIX, Place, s3_place
from stores.support import Journal, digest

__all__ = ["ENTITY", "REFUSALS", "Trial", "open_trial"]

ENTITY = "team"
REFUSALS = (
    Fault.SLOW_DOWN,
    Fault.TOO_MANY,
    Fault.INTERNAL,
    Fault.BAD_GATEWAY,
    Fault.EXPIRED,
    Fault.SKEWED,
    Fault.RESET,
)
"""Requests that are not carried out, and may be at the next attempt."""
_STALL_SECONDS = 2.0
"""When the store gives a stalled request up, in tests of that: less than a slow one takes."""


def _be_impatient(monkeypatch: pytest.MonkeyPatch, *faults: Fault) -> None:
    """Let the store and the uploader not wait for long: for the server only where one of `faults` is slow."""
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.005)
    monkeypatch.setattr(retry, "LONGEST_SECONDS", 0.1)
    if any(fault.name.startswith(("STALLED", "SLOW_REQUEST", "SLOW_DOWNLOAD")) for fault in faults):
        monkeypatch.setattr(s3_body, "STALL_TIMEOUT", _STALL_SECONDS)
        monkeypatch.setattr(s3_client, "_READ_TIMEOUT", _STALL_SECONDS)


class _Unmoved:
    """Nobody watches the progress."""

    def uploading(self) -> None:
        pass

    def waiting(self, reason: str | None) -> None:
        pass


@dataclass(frozen=True)
class Trial:
    """`place` names the server itself; `store` and `uploader` reach it through the proxy."""

    place: Place
    faults: Faults
    store: Store
    journal: Journal
    uploader: Uploader

    async def upload(self, *contents: bytes) -> None:
        """Store these, each as an artifact's only file, at the same time."""
        async with trio.open_nursery() as nursery:
            for data in contents:
                nursery.start_soon(self.uploader.ensure, ENTITY, [_blob(data)], _Unmoved())

    def check(self, *contents: bytes) -> None:
        """Look past the proxy: just these are in the bucket, and no upload was begun that the journal forgot."""
        assert {key: digest(data) for key, data in self.objects().items()} == {
            f"{PREFIX}/{blob_key(ENTITY, digest(data))}": digest(data) for data in contents
        }
        assert self.unfinished() <= set(self.journal.ids().values())

    def objects(self) -> dict[str, bytes]:
        """What is visible in the bucket."""
        assert self.place.server
        client, bucket = botocore_client(self.place.server), self.place.bucket
        try:
            listed = client.list_objects_v2(Bucket=bucket).get("Contents", ())
            return {
                item["Key"]: client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed
            }
        finally:
            client.close()

    def unfinished(self) -> set[str]:
        """The ids of multipart uploads that were begun and neither completed nor aborted."""
        assert self.place.server
        return {upload_id for _, upload_id in unfinished_uploads(self.place.server, self.place.bucket)}


def _blob(data: bytes) -> Blob:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Source]:
        yield BytesSource(data)

    return Blob(digest(data), len(data), "weights", None, opened)


@contextmanager
def _open_catalog() -> Iterator[Catalog]:
    with (
        TemporaryDirectory() as directory,
        closing(Catalog.open(f"sqlite:///{Path(directory)}/catalog.db")) as opened,
    ):
        yield opened


@asynccontextmanager
async def open_trial(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, *rules: Rule, seed: int = 0
) -> AsyncIterator[Trial]:
    """Open an empty bucket on `server` behind a proxy with these rules; what is retried is retried at once."""
    _be_impatient(monkeypatch, *(rule.fault for rule in rules))
    journal = Journal()
    with fault_proxy(server.endpoint, *rules, seed=seed) as proxy, _open_catalog() as catalog:
        place = s3_place(server, monkeypatch, proxy.endpoint)

        def register(rows: Sequence[Registration]) -> list[outcome.Outcome[None]]:
            catalog.register_blobs(rows)
            return [outcome.Value(None) for _ in rows]

        registrations: GroupCommit[Registration, None] = GroupCommit(register, 100)
        async with (
            open_store(place.url, s3=place.options, journal=journal) as store,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(registrations.run)
            calls = CatalogCalls(Health("catalog", ""))
            uploader = Uploader(store, catalog, calls, registrations, Health("store", store.url), lambda: 0)
            yield Trial(place, proxy.faults, store, journal, uploader)
            nursery.cancel_scope.cancel()
