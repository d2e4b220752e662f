"""Every change reaches the store as a record, through outages and kills, and only then leaves the outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from artifactd.daemon.catalog import Catalog, CatalogUnavailable, Head
from artifactd.daemon.catalog.outbox.encoding import PAGE, Record, decode, decode_aliases
from artifactd.daemon.catalog.outbox.forms import CollectionRecord, RunRecord
from artifactd.daemon.catalog.outbox.taking import Taken
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.delivery import GATHER_SECONDS, POLL_SECONDS, Delivery
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.keys import RecordKey, parse_record_key, record_key
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.messages import EditVersion, StartRun

MODEL = {"entity": "team", "project": "vision", "name": "model"}
MEBIBYTE = 1 << 20


def head(number: int, **fields: Any) -> Head:
    made = Head(
        uid=1,
        id=number.to_bytes(16),
        body_hash=b"h",
        **MODEL,
        type="model",
        digest=f"blake3:{number:064x}",
        size=1,
        files=1,
        aliases=(),
        tags=(),
        description=None,
        metadata="{}",
        run=None,
        accepted_at=1.0,
    )
    return replace(made, **fields)


class Bucket(MemoryStore):
    """Keeps the order of puts, and fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[str] = []
        self.failures: list[Kind] = []
        self.refuses: str | None = None
        self.put_something = trio.Event()

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        await trio.lowlevel.checkpoint()
        if self.failures:
            kind = self.failures.pop(0)
            self.put_something.set()
            return [StoreError(kind, "put", key, "told to") for key, _ in items]
        outcomes = await super().put_batch(items)
        for index, (key, _) in enumerate(items):
            self.puts.append(key)
            if self.refuses is not None and self.refuses in key:
                outcomes[index] = StoreError(Kind.PERMANENT, "put", key, "told to")
        self.put_something.set()
        return outcomes

    def records(self) -> list[tuple[int, Record]]:
        """By revision; of one revision, in the order of keys."""
        keys = sorted((key for text in self._objects if (key := parse_record_key(text))), key=record_key)
        return [(key.revision, decode(self._objects[record_key(key)], key.digest)) for key in keys if not key.page]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def delivery(catalog: Catalog, bucket: Bucket) -> Delivery:
    return Delivery(bucket, catalog, CatalogCalls(Health("catalog", "")), Health("store", ""))


@pytest.fixture
def slow_clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    """Jumps only when no thread can still be at work."""
    autojump_clock.autojump_threshold = 0.3
    return autojump_clock


def waiting(catalog: Catalog) -> int:
    return catalog.take().lag.rows


async def test_a_record_has_the_head_and_what_changed_since_the_last_one(
    catalog: Catalog, bucket: Bucket, delivery: Delivery
) -> None:
    catalog.commit([head(0), head(1, aliases=("best",), run="r")])
    await delivery.flush()
    catalog.edit(EditVersion(**MODEL, version=0, revision=1, description=(None, "text"), add_tags=("t",)))
    catalog.commit([head(1, id=b"again")])
    await delivery.flush()
    (first_revision, first), (second_revision, second) = bucket.records()
    assert first_revision < second_revision
    assert isinstance(first, CollectionRecord)
    assert isinstance(second, CollectionRecord)
    assert [version.number for version in first.versions] == [0, 1]
    assert first.versions[1].outputs == ("r",)
    assert [commit.submission_id for commit in first.commits] == [head(0).id, head(1).id]
    assert [(alias.name, alias.number) for alias in second.aliases] == [("best", 1), ("latest", 1)]
    assert [version.number for version in second.versions] == [0, 1]
    assert (second.versions[0].description, second.versions[0].tags) == ("text", ("t",))
    # Those of earlier records are there already, however many they are.
    assert [(commit.submission_id, commit.created) for commit in second.commits] == [(b"again", False)]
    assert waiting(catalog) == 0


async def test_a_run_has_records_of_its_own(catalog: Catalog, bucket: Bucket, delivery: Delivery) -> None:
    catalog.commit([head(0)])
    catalog.start_run(1, StartRun(id="r", entity="team", project="vision", name="title", config='{"a":1}'))
    catalog.record_use(1, "team", "vision", "r", catalog.version("team", "vision", "model", "v0"))
    await delivery.flush()
    (run,) = (record for _, record in bucket.records() if isinstance(record, RunRecord))
    assert (run.name, run.title, run.config, run.state) == ("r", "title", '{"a":1}', "running")
    assert [(used.name, used.number) for used in run.inputs] == [("model", 0)]


async def test_what_is_not_stored_stays_in_the_outbox(
    catalog: Catalog, bucket: Bucket, delivery: Delivery
) -> None:
    catalog.commit([head(0), head(1, name="other")])
    bucket.refuses = "/other/"
    await delivery.flush()
    assert waiting(catalog) == 1
    bucket.refuses = None
    await delivery.flush()
    assert waiting(catalog) == 0


async def test_delivering_the_same_rows_twice_says_the_same(
    catalog: Catalog, bucket: Bucket, delivery: Delivery
) -> None:
    catalog.commit([head(n) for n in range(3)])
    forget, catalog.forget = catalog.forget, lambda ids: None  # type: ignore[method-assign]
    assert await delivery._deliver()
    before = dict(bucket._objects)
    catalog.forget = forget  # type: ignore[method-assign]
    await delivery.flush()
    assert bucket._objects == before
    assert waiting(catalog) == 0


async def test_two_daemons_at_once_lose_nothing(catalog: Catalog, bucket: Bucket, delivery: Delivery) -> None:
    other = Delivery(bucket, catalog, CatalogCalls(Health("catalog", "")), Health("store", ""))
    async with trio.open_nursery() as nursery:
        for number in range(30):
            catalog.commit([head(number)])
            nursery.start_soon(delivery.flush)
            nursery.start_soon(other.flush)
            await trio.lowlevel.checkpoint()
    await delivery.flush()
    assert waiting(catalog) == 0
    found = {version.number for _, record in bucket.records() for version in record.versions}  # type: ignore[union-attr]
    assert found == set(range(30))


async def test_a_page_is_stored_before_the_head_that_names_it(
    catalog: Catalog, bucket: Bucket, delivery: Delivery, tmp_path: Path
) -> None:
    catalog.commit([head(0)])
    database = sqlite3.connect(tmp_path / "catalog.db")
    names = [(1, f"alias-{n:06}", 0) for n in range(100_000)]
    database.executemany("INSERT INTO aliases (collection_id, name, number) VALUES (?, ?, ?)", names)
    database.commit()
    database.close()
    await delivery.flush()
    keys = [key for text in bucket.puts if (key := parse_record_key(text))]
    assert [key.page for key in keys] == [True] * 10 + [False]
    assert max(map(len, bucket._objects.values())) < MEBIBYTE
    ((_, record),) = bucket.records()
    assert isinstance(record, CollectionRecord)
    found = [alias.name for alias in record.aliases]
    for digest in record.pages:
        text = next(text for text in bucket._objects if digest in text)
        found += [alias.name for alias in decode_aliases(bucket._objects[text], digest).aliases]
    assert len(found) == 100_001
    assert len(record.aliases) == PAGE


async def test_many_large_versions_go_in_records_of_bounded_size(
    catalog: Catalog, bucket: Bucket, delivery: Delivery
) -> None:
    text = '{"a":"' + "x" * MEBIBYTE + '"}'
    catalog.commit([head(n, metadata=text) for n in range(20)])
    await delivery.flush()
    assert max(map(len, bucket._objects.values())) < 5 * MEBIBYTE
    versions = [[v.number for v in record.versions] for _, record in bucket.records()]  # type: ignore[union-attr]
    assert [number for numbers in versions for number in numbers] == list(range(20))
    assert len(versions) > 4


async def test_a_batch_of_512_commits_is_a_few_records(
    catalog: Catalog, bucket: Bucket, delivery: Delivery
) -> None:
    catalog.commit([head(n) for n in range(512)])
    await delivery.flush()
    assert len(bucket.records()) == 1


async def test_an_outage_is_outlived_and_seen(
    catalog: Catalog, bucket: Bucket, slow_clock: trio.testing.MockClock
) -> None:
    health = Health("store", "")
    delivery = Delivery(bucket, catalog, CatalogCalls(Health("catalog", "")), health)
    bucket.failures = [Kind.TRANSIENT] * 5 + [Kind.PERMANENT] * 3
    seen = 0
    catalog.commit([head(0)])
    async with trio.open_nursery() as nursery:
        await nursery.start(delivery.run)
        while bucket.failures or not bucket.puts:
            bucket.put_something = trio.Event()
            await bucket.put_something.wait()
            seen = max(seen, delivery.lag.rows)
        await trio.sleep(POLL_SECONDS + 1)
        nursery.cancel_scope.cancel()
    assert seen == 1
    assert health.error is None
    assert delivery.lag == (0, 0.0)
    assert waiting(catalog) == 0


class Unreachable(Catalog):
    """Does not answer the first look."""

    failures = 1

    def take(self) -> Taken:
        if self.failures:
            self.failures -= 1
            raise CatalogUnavailable("told to")
        return super().take()


async def test_a_catalog_that_does_not_answer_is_asked_again(
    catalog: Catalog, bucket: Bucket, slow_clock: trio.testing.MockClock
) -> None:
    catalog.commit([head(0)])
    unreachable = Unreachable(catalog._writer, catalog._reader)
    await Delivery(bucket, unreachable, CatalogCalls(Health("catalog", "")), Health("store", "")).flush()
    assert waiting(catalog) == 0


async def test_a_change_is_delivered_soon_and_one_of_another_daemon_at_the_next_look(
    catalog: Catalog, bucket: Bucket, delivery: Delivery, tmp_path: Path, slow_clock: trio.testing.MockClock
) -> None:
    async def delivered(count: int) -> float:
        start = trio.current_time()
        while len(bucket.records()) < count:
            bucket.put_something = trio.Event()
            await bucket.put_something.wait()
        return trio.current_time() - start

    async with trio.open_nursery() as nursery:
        await nursery.start(delivery.run)
        await trio.sleep(0.1)
        await trio.to_thread.run_sync(catalog.commit, [head(0)])
        assert await delivered(1) < GATHER_SECONDS + 0.5
        await trio.sleep(1)
        other = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
        other.commit([head(1)])
        other.close()
        assert 1 < await delivered(2) <= POLL_SECONDS
        nursery.cancel_scope.cancel()


def test_the_keys_of_a_stream_are_in_the_order_of_revisions() -> None:
    keys = [
        record_key(RecordKey("run", "e", "p", "n", revision, "0" * 32))
        for revision in (9, 10, 99, 10**12, 1 << 61)
    ]
    assert keys == sorted(keys)
