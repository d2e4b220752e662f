"""Several threads, and several daemons' connections, on one database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from catalog_heads import make_head

from artifactd.daemon.catalog import Catalog, Committed
from artifactd.protocol.errors import ArtifactNotFound
from artifactd.protocol.messages import GetVersions

_COMMITS = 25


def _in_threads(jobs: list[Callable[[], list[int]]]) -> list[list[int]]:
    with ThreadPoolExecutor(len(jobs)) as pool:
        futures: list[Future[list[int]]] = [pool.submit(job) for job in jobs]
        return [future.result() for future in futures]


def _commit_many(catalog: Catalog, contents: int) -> list[int]:
    numbers: list[int] = []
    for turn in range(_COMMITS):
        for result in catalog.commit([make_head(contents + 2 * turn), make_head(contents + 2 * turn + 1)]):
            assert isinstance(result, Committed)
            numbers.append(result.version)
    return numbers


def test_no_update_is_lost_between_connections_that_commit_at_once(catalog_url: str) -> None:
    catalogs = [Catalog.open(catalog_url) for _ in range(4)]
    numbers = _in_threads(
        [lambda c=c, n=n: _commit_many(c, 1000 * n) for n, c in enumerate(catalogs)]  # type: ignore[misc]
    )
    for catalog in catalogs:
        catalog.close()
    assert all(own == sorted(own) for own in numbers)
    assert sorted(n for own in numbers for n in own) == list(range(4 * 2 * _COMMITS))


def test_readers_see_whole_commits_while_threads_commit(catalog: Catalog) -> None:
    done = threading.Event()
    request = GetVersions(entity="team", project="vision", name="model", limit=1000)

    def watch() -> list[int]:
        seen: list[int] = []
        while not done.is_set():
            try:
                page = catalog.versions(request).items
            except ArtifactNotFound:
                continue
            assert [version.version for version in page] == list(range(len(page)))[::-1]
            assert len(page) % 2 == 0, "half of a batch was visible"
            assert page[0].aliases == ("latest",)
            assert not any(version.aliases for version in page[1:])
            seen.append(len(page))
        return seen

    def write() -> list[int]:
        try:
            return [n for own in _in_threads(writers) for n in own]
        finally:
            done.set()

    writers: list[Callable[[], list[int]]] = [
        lambda n=n: _commit_many(catalog, 1000 * n)  # type: ignore[misc]
        for n in range(2)
    ]
    numbers, *reads = _in_threads([write, watch, watch])
    assert sorted(numbers) == list(range(2 * 2 * _COMMITS))
    assert all(seen == sorted(seen) for seen in reads)
    assert any(reads)
