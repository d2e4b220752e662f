"""Merging the parts of a draft: one manifest, written as a stream; a draft whose finish fails is open again."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import CatalogUnavailable, Head, Part
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.pipeline.manifest_files import ManifestFiles
from artifactd.daemon.pipeline.parts import Parts
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.submissions import Submission
from artifactd.protocol.errors import ArtifactFailed, Conflict
from artifactd.protocol.manifest import Entry, read_manifest
from artifactd.protocol.messages import DraftPart

DIGEST = f"blake3:{0:064x}"
FINISH = Submission(
    position=1,
    uid=1000,
    id=b"f" * 16,
    entity="e",
    project="p",
    name="n",
    type="t",
    files=0,
    size=0,
    priority=0,
    accepted_at=0.0,
    weight=0,
    durable=True,
    draft=DraftPart(distributed_id="d", finish=True),
)


def part(id: bytes, *, finishes: bool = False) -> Part:
    return Part(
        uid=1000,
        id=id,
        body_hash=b"\0" * 32,
        entity="e",
        project="p",
        name="n",
        type="t",
        distributed_id="d",
        finishes=finishes,
        writer="w",
        run=None,
        aliases=(),
        tags=(),
        description=None,
        metadata="{}",
        ttl=None,
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def parts(catalog: Catalog, tmp_path: Path) -> Iterator[Parts]:
    journal = Journal(tmp_path / "journal.db", boot="")
    yield Parts(
        journal=journal,
        catalog=catalog,
        calls=CatalogCalls(Health("catalog", "")),
        files=ManifestFiles(tmp_path),
        expire=3600.0,
    )
    journal.close()


def close_draft(catalog: Catalog, entries: list[Entry]) -> None:
    catalog.register_part(part(os.urandom(16)), entries)
    catalog.register_part(part(FINISH.id, finishes=True), [])


async def in_thread(work: Callable[[], Any]) -> Any:
    return await trio.to_thread.run_sync(work)


def storing(stored: list[list[Entry]]) -> Callable[[BinaryIO], Awaitable[str]]:
    async def store(file: BinaryIO) -> str:
        file.seek(0)
        stored.append(list(read_manifest(file)))
        return DIGEST

    return store


async def test_the_manifest_has_the_entries_of_all_pages_and_the_totals_are_theirs(
    catalog: Catalog, parts: Parts
) -> None:
    entries = [Entry(f"d{n % 7}/{n}", DIGEST, 2) for n in range(20_500)]
    entries.sort(key=lambda entry: entry.path.encode())
    close_draft(catalog, entries)
    stored: list[list[Entry]] = []
    assert await parts.merge(FINISH, in_thread, storing(stored)) == (DIGEST, (20_500, 41_000))
    assert stored == [entries]


async def test_a_catalog_that_is_away_for_a_while_only_costs_time(
    catalog: Catalog, parts: Parts, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    entries = [Entry(f"{n:05}", DIGEST, 2) for n in range(15_000)]
    close_draft(catalog, entries)
    answers = iter([True, False, False])
    page = catalog.draft_page

    def flaky(*arguments: Any) -> list[Entry]:
        if not next(answers, True):
            raise CatalogUnavailable("away")
        return page(*arguments)

    monkeypatch.setattr(catalog, "draft_page", flaky)
    stored: list[list[Entry]] = []
    assert await parts.merge(FINISH, in_thread, storing(stored)) == (DIGEST, (15_000, 30_000))
    assert stored == [entries]


@pytest.mark.parametrize("error", [ArtifactFailed("the store refused it"), OSError("the store refused it")])
async def test_a_manifest_that_can_not_be_stored_opens_the_draft_again(
    catalog: Catalog, parts: Parts, error: Exception
) -> None:
    close_draft(catalog, [Entry("a", DIGEST, 1)])

    async def refuse(_: BinaryIO) -> str:
        raise error

    with pytest.raises(Conflict, match="being finished"):
        catalog.register_part(part(b"l" * 16), [])
    with pytest.raises(type(error), match="the store refused it"):
        await parts.merge(FINISH, in_thread, refuse)
    catalog.register_part(part(b"l" * 16), [Entry("b", DIGEST, 1)])
    assert not await parts.registered(FINISH)


async def test_what_was_committed_before_a_crash_is_not_merged_again(catalog: Catalog, parts: Parts) -> None:
    close_draft(catalog, [Entry("a", DIGEST, 1)])
    head = Head(
        uid=FINISH.uid, id=FINISH.id, body_hash=b"\0" * 32, entity="e", project="p", name="n", type="t",
        digest=DIGEST, size=1, files=1, aliases=(), tags=(), description=None, metadata="{}", run=None,
        accepted_at=0.0, draft="d",
    )  # fmt: skip
    catalog.commit([head])
    stored: list[list[Entry]] = []
    assert (await parts.merge(FINISH, in_thread, storing(stored)))[0] == DIGEST
    assert stored == []


async def test_a_hundred_thousand_entries_are_merged_in_bounded_memory(catalog: Catalog, parts: Parts) -> None:
    count = 100_000
    close_draft(catalog, [Entry(f"directory-{n // 100:04}/file-{n:06}", DIGEST, n) for n in range(count)])
    tracemalloc.start()
    everything = [Entry(f"directory-{n // 100:04}/file-{n:06}", f"{DIGEST[:-1]}{n % 10}", n) for n in range(count)]
    all_of_them = tracemalloc.get_traced_memory()[0]
    del everything
    tracemalloc.reset_peak()

    async def store(_: BinaryIO) -> str:
        return DIGEST

    _, (files, _) = await parts.merge(FINISH, in_thread, store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert files == count
    assert peak < all_of_them / 2
