"""Drafts in the catalog: parts register once, conflicts are found, one finish commits, the abandoned expire."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from catalog_heads import digest, make_head

from artifactd.daemon.catalog import Catalog, CommitRefused, Committed, Head, Part
from artifactd.daemon.catalog.connecting import connect, parse
from artifactd.daemon.catalog.dialect import now
from artifactd.daemon.catalog.merging import Merged
from artifactd.protocol.errors import Conflict, InvalidRequest
from artifactd.protocol.manifest import Entry, Reference


def make_part(**fields: Any) -> Part:
    part = Part(
        uid=1000,
        id=os.urandom(16),
        body_hash=b"\0" * 32,
        entity="team",
        project="vision",
        name="model",
        type="model",
        distributed_id="d",
        finishes=False,
        writer="somebody",
        run=None,
        aliases=(),
        tags=(),
        description=None,
        metadata="{}",
        ttl=None,
    )
    return replace(part, **fields)


def files(*paths: str, contents: int = 1) -> list[Entry]:
    return [Entry(path, digest(contents), 10) for path in sorted(paths, key=str.encode)]


def read(catalog: Catalog, part: Part) -> list[Entry]:
    found: list[Entry] = []
    while page := catalog.draft_page(part.uid, part.id, found[-1].path if found else ""):
        found += page
    return found


def head_of(part: Part, contents: int = 7) -> Head:
    return make_head(contents, uid=part.uid, id=part.id, body_hash=part.body_hash, draft=part.distributed_id)


def execute(catalog_url: str, statement: str) -> list[tuple[Any, ...]]:
    """Past the catalog, as nobody should."""
    engines = connect(parse(catalog_url))
    with engines[0].begin() as connection:
        result = connection.exec_driver_sql(statement)
        rows = [tuple(row) for row in result] if result.returns_rows else []
    for engine in engines:
        engine.dispose()
    return rows


@pytest.fixture
def other(catalog: Catalog, catalog_url: str) -> Iterator[Catalog]:
    """The catalog as another daemon has it open."""
    other = Catalog.open(catalog_url)
    yield other
    other.close()


def test_entries_come_back_by_the_bytes_of_their_paths_from_any_node(catalog: Catalog, other: Catalog) -> None:
    paths = ["a.txt", "a/b", "Z", "é", "ÿ", "\U0001f600", "\ue000", "a/b.c", "0"]
    first, second = make_part(), make_part()
    catalog.register_part(first, files(*paths[::2]))
    other.register_part(second, files(*paths[1::2]))
    assert read(other, first) == read(catalog, second) == files(*paths)


def test_references_keep_all_that_they_say(catalog: Catalog) -> None:
    part = make_part()
    entries = [
        Entry("a", "", 0, Reference('https://host/ü?x="1"', ())),
        Entry("b", "etag:1", 5, Reference("s3://bucket/key", (("etag", "1"), ("versionId", "ü")))),
    ]
    catalog.register_part(part, entries)
    catalog.register_part(make_part(), entries)
    assert read(catalog, part) == entries


@pytest.mark.parametrize(
    "entry",
    [
        Entry("x", "", 0, Reference("https://host/2", ())),
        Entry("x", "", 0, Reference("https://host/1", (("etag", "1"),))),
        Entry("x", "", 9, Reference("https://host/1", ())),
        Entry("x", "etag:1", 0, Reference("https://host/1", ())),
        Entry("x", digest(1), 0),
        Entry("x/y", digest(1), 0),
    ],
)
def test_a_reference_that_differs_in_anything_is_other_contents(catalog: Catalog, entry: Entry) -> None:
    catalog.register_part(make_part(), [Entry("x", "", 0, Reference("https://host/1", ()))])
    with pytest.raises(Conflict) as caught:
        catalog.register_part(make_part(), [entry])
    assert caught.value.subject == "x"


def test_a_conflict_deep_in_a_part_leaves_nothing_of_it(catalog: Catalog) -> None:
    first = make_part(writer="Ada")
    catalog.register_part(first, files("m"))
    many = [f"k{n:05}" for n in range(12_000)]
    with pytest.raises(Conflict, match=r"Ada .* Ben") as caught:
        catalog.register_part(make_part(writer="Ben"), [*files(*many), *files("m", contents=2)])
    assert caught.value.subject == "m"
    assert read(catalog, first) == files("m")


def test_a_part_registered_twice_is_one_part_even_after_the_end(catalog: Catalog, other: Catalog) -> None:
    part, last = make_part(), make_part(finishes=True)
    for again in (catalog, other):
        again.register_part(part, files("a"))
    for again in (catalog, other):
        again.register_part(last, files("b"))
    catalog.register_part(part, files("a"))
    assert read(catalog, last) == files("a", "b")
    catalog.commit([head_of(last)])
    other.register_part(part, files("a"))
    other.register_part(last, files("b"))
    strangers = [(part.uid + 1, part.id), (part.uid, os.urandom(16))]
    assert catalog.registered_parts([(part.uid, part.id), *strangers]) == {(part.uid, part.id)}


def test_an_id_used_again_with_another_body_is_refused(catalog: Catalog) -> None:
    part = make_part()
    catalog.register_part(part, [])
    with pytest.raises(InvalidRequest, match=part.id.hex()):
        catalog.register_part(replace(part, body_hash=b"\1" * 32), [])


def test_two_daemons_that_register_at_once_lose_nothing(catalog: Catalog, other: Catalog) -> None:
    parts = [make_part() for _ in range(40)]

    def register(n: int) -> None:
        (catalog, other)[n % 2].register_part(parts[n], files("common", *(f"{n}/{i}" for i in range(20))))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register, range(40)))
    assert len(read(catalog, parts[0])) == 40 * 20 + 1


def test_of_two_writers_of_one_path_at_once_exactly_one_is_in(catalog: Catalog, other: Catalog) -> None:
    def register(n: int) -> bool:
        try:
            (catalog, other)[n % 2].register_part(make_part(), files("x", f"y{n}", contents=n))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(register, range(16))) == 1


def test_only_one_finish_is_taken_and_the_other_is_told_who_it_is(catalog: Catalog, other: Catalog) -> None:
    catalog.register_part(make_part(finishes=True, writer="Ada"), [])
    for finishes in (True, False):
        with pytest.raises(Conflict, match="being finished by Ada"):
            other.register_part(make_part(finishes=finishes), [])


def test_a_failed_finish_takes_its_own_entries_out_and_leaves_those_of_others(catalog: Catalog) -> None:
    part, last = make_part(), make_part(finishes=True)
    catalog.register_part(part, files("a"))
    catalog.register_part(last, files("a", "b/c"))
    for _ in range(2):
        catalog.reopen_draft(last.uid, last.id)
    assert read(catalog, part) == files("a")
    catalog.register_part(make_part(), files("b", contents=2))
    again = make_part(finishes=True)
    catalog.register_part(again, [])
    assert read(catalog, again) == [*files("a"), *files("b", contents=2)]


@pytest.mark.parametrize("state", ["open", "finished"])
def test_only_a_draft_that_was_closed_by_this_submission_is_opened_again(catalog: Catalog, state: str) -> None:
    part, last = make_part(), make_part(finishes=True)
    catalog.register_part(part, files("a"))
    if state == "finished":
        catalog.register_part(last, [])
        catalog.commit([head_of(last)])
        catalog.reopen_draft(last.uid, last.id)
        with pytest.raises(Conflict, match="v0"):
            catalog.register_part(make_part(), [])
    catalog.reopen_draft(part.uid, part.id)
    assert catalog.registered_parts([(part.uid, part.id)])


def test_the_commit_of_a_finish_is_recorded_once_and_ends_the_draft_with_it(catalog: Catalog) -> None:
    catalog.commit([make_head(1)])
    catalog.register_part(make_part(aliases=("x",), tags=("t",), metadata='{"a": 1}', run="r1"), files("a"))
    last = make_part(finishes=True, description="done", run="r2")
    catalog.register_part(last, files("b"))
    head = replace(head_of(last), run="r2")
    results = [catalog.commit([head]) for _ in range(2)]
    assert results == [[Committed(1, digest(7), created=True, warning=None)]] * 2
    version = catalog.version("team", "vision", "model", "x")
    assert (version.version, version.tags, version.description) == (1, ("t",), "done")
    assert version.metadata == '{"a":1}'
    assert read(catalog, last) == []


def test_a_finish_with_the_contents_of_the_newest_version_resolves_to_it(catalog: Catalog) -> None:
    catalog.commit([make_head(7)])
    last = make_part(finishes=True)
    catalog.register_part(last, files("a"))
    (result,) = catalog.commit([head_of(last)])
    assert isinstance(result, Committed)
    assert (result.version, result.created) == (0, False)
    with pytest.raises(Conflict, match="v0"):
        catalog.register_part(make_part(), [])


@pytest.mark.parametrize("what", ["never closed", "expired", "another's"])
def test_a_finish_whose_draft_is_not_its_own_is_refused_alone(catalog: Catalog, what: str) -> None:
    last = make_part(finishes=what != "never closed")
    catalog.register_part(last, files("a"))
    if what == "expired":
        assert catalog.expire_draft(-60.0)
    head = head_of(last if what != "another's" else make_part())
    results = catalog.commit([make_head(1), head, make_head(2)])
    assert isinstance(results[1], CommitRefused)
    assert [result.version for result in results if isinstance(result, Committed)] == [0, 1]


def test_a_draft_expires_by_the_databases_clock_after_its_last_part_and_stays_to_say_so(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    part = make_part()
    catalog.register_part(part, files("a"))
    catalog.register_part(make_part(distributed_id="closed", finishes=True), files("a"))
    assert catalog.expire_draft(3600.0) is None
    assert catalog.expire_draft(-60.0) == "the draft 'd' of team/vision/model"
    assert catalog.expire_draft(-60.0) == "the draft 'closed' of team/vision/model"
    assert catalog.expire_draft(-60.0) is None
    assert read(catalog, part) == []
    for distributed_id in ("d", "closed"):
        with pytest.raises(Conflict, match=r"expired.*another distributed_id"):
            catalog.register_part(make_part(distributed_id=distributed_id), [])


def test_every_part_keeps_its_draft_from_expiring(catalog: Catalog, catalog_url: str) -> None:
    def let_two_hours_pass() -> None:
        execute(catalog_url, "UPDATE drafts SET touched_at = touched_at - 7200")

    catalog.register_part(make_part(), files("a"))
    let_two_hours_pass()
    catalog.register_part(make_part(), files("b"))
    assert catalog.expire_draft(3600.0) is None
    let_two_hours_pass()
    assert catalog.expire_draft(3600.0) is not None


@pytest.mark.parametrize("finishes", [False, True])
def test_a_part_that_comes_too_late_is_refused_before_any_sweep(
    catalog: Catalog, catalog_url: str, finishes: bool
) -> None:
    first = make_part()
    catalog.register_part(first, files("a"), expire=3600.0)
    execute(catalog_url, "UPDATE drafts SET touched_at = touched_at - 3500")
    catalog.register_part(make_part(), files("b"), expire=3600.0)
    execute(catalog_url, "UPDATE drafts SET touched_at = touched_at - 7200")
    late = make_part(finishes=finishes)
    with pytest.raises(Conflict, match=r"expired.*another distributed_id"):
        catalog.register_part(late, files("c"), expire=3600.0)
    assert catalog.registered_parts([(late.uid, late.id)]) == set()
    # What was registered is known again, as in a repetition after a crash.
    catalog.register_part(first, files("a"), expire=3600.0)


def test_of_a_draft_that_ended_only_who_took_part_is_kept(catalog: Catalog, catalog_url: str) -> None:
    said = {"aliases": ("best",), "tags": ("t",), "description": "long", "metadata": '{"a": 1}'}
    last = make_part(finishes=True, **said)
    catalog.register_part(last, files("a"))
    catalog.commit([head_of(last)])
    (kept,) = execute(catalog_url, "SELECT writer, aliases, tags, description, metadata FROM draft_parts")
    assert kept == ("somebody", "[]", "[]", None, "{}")
    assert execute(catalog_url, "SELECT * FROM draft_entries") == []


def test_a_finish_that_would_be_too_much_is_refused_before_it_closes_the_draft(catalog: Catalog) -> None:
    catalog.register_part(make_part(tags=tuple(f"a{n}" for n in range(60))), files("a"))
    with pytest.raises(InvalidRequest, match="100 aliases and tags"):
        catalog.register_part(make_part(tags=tuple(f"b{n}" for n in range(60)), finishes=True), files("b"))
    catalog.register_part(make_part(finishes=True), files("b", contents=2))


def test_the_databases_clock_tells_unix_seconds(catalog_url: str) -> None:
    Catalog.open(catalog_url).close()
    engines = connect(parse(catalog_url))
    with engines[1].connect() as connection:
        assert now(connection) == pytest.approx(time.time(), abs=5.0)
    for engine in engines:
        engine.dispose()


def test_a_finished_draft_never_expires(catalog: Catalog) -> None:
    last = make_part(finishes=True)
    catalog.register_part(last, [])
    catalog.commit([head_of(last)])
    assert catalog.expire_draft(-60.0) is None


@pytest.mark.parametrize("metadata", ["[1]", "nonsense", '{"\\ud800": 1}', '{"a": NaN}'])
def test_metadata_that_can_not_be_merged_is_refused_with_its_part(catalog: Catalog, metadata: str) -> None:
    part = make_part(metadata=metadata)
    with pytest.raises(InvalidRequest, match="metadata"):
        catalog.register_part(part, [])
    assert catalog.registered_parts([(part.uid, part.id)]) == set()


def test_merged_metadata_keeps_every_number_as_it_was_written() -> None:
    merged = Merged()
    for metadata in ('{"a": 1.00, "b": 12345678901234567890123, "c": {"x": 1e999}}', '{"b": -0, "a": [1]}'):
        merged.add(description=None, ttl=None, aliases=[], tags=[], metadata=metadata)
    assert merged.metadata == '{"a":[1],"b":-0,"c":{"x": 1e999}}'


def test_merged_metadata_is_bounded_however_often_it_is_replaced() -> None:
    merged = Merged()

    def add(key: str, size: int) -> None:
        merged.add(description=None, ttl=None, aliases=[], tags=[], metadata=f'{{"{key}":"{"x" * size}"}}')

    for n in range(4):
        add("same", 900_000 + n)
    add("same", 10)
    add("other", 900_000)
    with pytest.raises(InvalidRequest, match="metadata"):
        add("third", 200_000)


@pytest.mark.parametrize(
    "catalog_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
def test_a_hundred_thousand_entries_are_never_in_memory_together(catalog: Catalog) -> None:
    part, count = make_part(), 100_000

    def entries() -> Iterator[Entry]:
        for n in range(count):
            yield Entry(f"directory-{n // 100:04}/file-with-a-rather-long-name-{n:06}", digest(n), n)

    def peak_of(work: Callable[[], object]) -> int:
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    def read_pages() -> None:
        after, seen = "", 0
        while page := catalog.draft_page(part.uid, part.id, after):
            after, seen = page[-1].path, seen + len(page)
        assert seen == count

    everything = peak_of(lambda: list(entries()))
    assert peak_of(lambda: catalog.register_part(part, entries())) < everything
    assert peak_of(read_pages) < everything / 4
