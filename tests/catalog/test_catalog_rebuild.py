"""A catalog out of its bucket alone is the catalog that it was, table by table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from catalog_heads import digest, make_head
from catalog_histories import EVERYTHING, STEP, History
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select

from artifactd.daemon.catalog import BlobLocation, Catalog, CatalogUnusable
from artifactd.daemon.catalog.connecting import parse
from artifactd.daemon.catalog.outbox.encoding import digest_of_object
from artifactd.daemon.catalog.rebuilding import CatalogNotEmpty, Rebuilding
from artifactd.daemon.catalog.schema import collections, draft_parts, drafts, marks, metadata, outbox
from artifactd.daemon.maintenance.rebuild import rebuild
from artifactd.daemon.maintenance.rebuild_report import Report
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.delivery import Delivery
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.stores.keys import blob_key, parse_record_key, record_key
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.messages import StartRun

MakeUrl = Callable[[], str]


@pytest.fixture
def make_url(request: pytest.FixtureRequest, catalog_url: str, tmp_path: Path) -> Iterator[MakeUrl]:
    """URLs of empty databases, of the kind of `catalog_url`."""
    numbers = itertools.count()
    if catalog_url.startswith("sqlite"):
        yield lambda: f"sqlite:///{tmp_path}/{next(numbers)}/catalog.db"
        return
    server = request.getfixturevalue("postgres_server")
    names: list[str] = []

    def make() -> str:
        names.append(server.new_database())
        url: str = server.url(names[-1])
        return url

    yield make
    for name in names:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """All rows but those of the outbox and of drafts that are no version, with no id but those of collections."""
    engine = create_engine(parse(url))
    with engine.connect() as connection:
        tables = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.sorted_tables
            if table not in (marks, outbox)
        }
    engine.dispose()
    finished = {row.pop("id"): row for row in tables[drafts.name] if row["state"] == "finished"}
    tables[drafts.name] = list(finished.values())
    parts = sorted(tables[draft_parts.name], key=lambda row: int(row.pop("id")))
    tables[draft_parts.name] = [
        row | {"draft_id": str(finished[row["draft_id"]]), "place": place}
        for place, row in enumerate(row for row in parts if row["draft_id"] in finished)
    ]
    del tables["draft_entries"]
    for rows in tables.values():
        rows.sort(key=lambda row: str(sorted(row.items(), key=lambda item: item[0])))
    # Parts keep their order within a draft.
    for row in tables[draft_parts.name]:
        del row["place"]
    return tables


def deliver(catalog: Catalog, store: MemoryStore) -> None:
    async def run() -> None:
        await Delivery(store, catalog, CatalogCalls(Health("catalog", "")), Health("store", "")).flush()

    trio.run(run)


def rebuilt(store: MemoryStore, url: str) -> Report:
    catalog = Rebuilding.open(url)
    report = Report(store.url, url)
    try:
        trio.run(rebuild, store, catalog, report, lambda step: None)
    finally:
        catalog.close()
    return report


@pytest.mark.timeout(400)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, min_size=5, max_size=40))
@example(steps=EVERYTHING)
def test_a_rebuilt_catalog_is_equal_in_every_table(make_url: MakeUrl, steps: list[Any]) -> None:
    url, store = make_url(), MemoryStore()
    catalog = Catalog.open(url)
    history = History(catalog)
    for step in steps:
        if step[0] == "deliver":
            deliver(catalog, store)
        else:
            history.do(step)
    deliver(catalog, store)
    again = make_url()
    report = rebuilt(store, again)
    assert report.problems == []
    assert contents(again) == contents(url)
    other = Catalog.open(again)
    # Whoever submits again hears what became of it then, and the next numbers are those of the original.
    fresh = [make_head(99, name=name, type="model") for name in "abc"]
    assert other.commit(history.heads[:50]) == catalog.commit(history.heads[:50])
    assert other.commit(fresh) == catalog.commit(fresh)
    # What is delivered from here on is newer than all there is.
    newest = max((key.revision for text in store._objects if (key := parse_record_key(text))), default=0)
    assert min(id for record in other.take().records for id in record.ids) > newest
    other.close()
    catalog.close()


@pytest.fixture
def filled(catalog: Catalog) -> MemoryStore:
    """A bucket with two records of one collection, v0 and v1, one of another, and a run that used v0."""
    store = MemoryStore()
    for contents in (1, 2):
        catalog.commit([make_head(contents, aliases=("best",))])
        deliver(catalog, store)
    catalog.commit([make_head(1, name="other")])
    catalog.start_run(1, StartRun(id="r", entity="team", project="vision", name="n"))
    catalog.record_use(1, "team", "vision", "r", catalog.version("team", "vision", "model", "v0"))
    deliver(catalog, store)
    return store


def records_of(store: MemoryStore, name: str) -> list[str]:
    """The keys of a stream's records, the oldest first."""
    return sorted(text for text in store._objects if (key := parse_record_key(text)) and key.name == name)


def test_a_damaged_record_is_reported_and_the_rest_is_rebuilt(filled: MemoryStore, make_url: MakeUrl) -> None:
    second = records_of(filled, "model")[-1]
    filled._objects[second] = filled._objects[second][:-1] + b"?"
    url = make_url()
    report = rebuilt(filled, url)
    assert report.damaged == len(report.problems) == 1
    assert second in report.problems[0]
    catalog = Catalog.open(url)
    assert catalog.version("team", "vision", "model", "best").version == 0
    assert catalog.version("team", "vision", "other", "latest").version == 0
    catalog.close()


def test_what_only_a_damaged_record_had_is_missed(filled: MemoryStore, make_url: MakeUrl) -> None:
    del filled._objects[records_of(filled, "model")[0]]
    url = make_url()
    report = rebuilt(filled, url)
    assert sorted(problem.split(": ", 1)[1] for problem in report.problems) == [
        "1 versions are in no record that can be read",
        "is in no record, but the run r used it",
    ]
    catalog = Catalog.open(url)
    assert catalog.version("team", "vision", "model", "best").version == 1
    catalog.close()


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x81", b"\x80" * 1000, b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000], ids=repr
)
def test_hostile_records_are_refused_with_all_others_kept(
    filled: MemoryStore, make_url: MakeUrl, data: bytes
) -> None:
    key = parse_record_key(records_of(filled, "model")[-1])
    assert key is not None
    hostile = record_key(replace(key, revision=key.revision + 1000, digest=digest_of_object(data)))
    filled._objects[hostile] = data
    filled._objects["team/records/collections/vision/model/7"] = b"?"
    report = rebuilt(filled, make_url())
    assert report.damaged == 2
    assert (report.collections, report.versions, report.runs) == (2, 3, 1)


def test_a_record_under_the_key_of_another_stream_is_refused(filled: MemoryStore, make_url: MakeUrl) -> None:
    moved = records_of(filled, "other")[0]
    filled._objects[moved.replace("/other/", "/copy/")] = filled._objects[moved]
    report = rebuilt(filled, make_url())
    (problem,) = report.problems
    assert "is of the collection team/vision/other" in problem


def test_blobs_are_listed_and_the_highest_epoch_counts(catalog_url: str, make_url: MakeUrl) -> None:
    store = MemoryStore()
    old, new = blob_key("team", digest(1)), blob_key("team", digest(2))
    for key, data in ((old, b"one"), (new, b"old"), (f"{new}.9", b"newer"), (f"{new}.10", b"newest")):
        store._objects[key] = data
    store._objects["team/other/thing"] = b"?"
    url = make_url()
    assert rebuilt(store, url).blobs == 2
    catalog = Catalog.open(url)
    assert catalog.known_blobs("team", [digest(1), digest(2)]) == {
        digest(1): BlobLocation(old, 0, 3),
        digest(2): BlobLocation(f"{new}.10", 0, 6),
    }
    catalog.close()


def test_a_catalog_that_is_not_empty_is_refused(catalog: Catalog, catalog_url: str) -> None:
    catalog.commit([make_head(1)])
    with pytest.raises(CatalogNotEmpty, match="versions"):
        Rebuilding.open(catalog_url)
    assert catalog.version("team", "vision", "model", "latest").version == 0
    Catalog.open(catalog_url).close()


def test_a_half_rebuilt_catalog_is_opened_by_nobody_and_begun_again(
    filled: MemoryStore, make_url: MakeUrl
) -> None:
    url = make_url()
    half = Rebuilding.open(url)
    half.add_blobs([("team", digest(7), BlobLocation("k", 0, 1))])
    half.close()
    with pytest.raises(CatalogUnusable, match="half rebuilt"):
        Catalog.open(url)
    assert rebuilt(filled, url).problems == []
    catalog = Catalog.open(url)
    assert catalog.known_blobs("team", [digest(7)]) == {}
    assert catalog.version("team", "vision", "model", "latest").version == 1
    catalog.close()


def test_two_collections_that_had_one_id_are_both_rebuilt(
    filled: MemoryStore, make_url: MakeUrl, catalog: Catalog
) -> None:
    stranger = MemoryStore()
    other = Catalog.open(make_url())
    other.commit([make_head(1, name="stranger")])
    deliver(other, stranger)
    other.close()
    filled._objects.update(stranger._objects)
    url = make_url()
    assert rebuilt(filled, url).problems == []
    engine: Engine = create_engine(parse(url))
    with engine.connect() as connection:
        names = connection.scalars(select(collections.c.name).order_by(collections.c.id)).all()
    engine.dispose()
    assert sorted(names) == ["model", "other", "stranger"]
    again = Catalog.open(url)
    again.commit([make_head(1, name="next")])
    again.close()
