"""Commits per second on both catalogs beside bare inserts, and how a commit's time grows with the catalog."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from bench.report import Row, milliseconds, rates
from bench.workplace import Unavailable, Workplace, worker
from servers.postgres import postgres, postgres_program

__all__ = ["growth", "throughput"]

WRITERS = (1, 8, 64)
MANY = 64
SECONDS = 3.0
VERSIONS = (1_000, 10_000, 100_000, 1_000_000)

_NewUrl = Callable[[], str]


def throughput(place: Workplace) -> Iterator[Row]:
    """Each writer commits one version in each transaction; PostgreSQL syncs, as SQLite does."""
    with _databases(place) as databases:
        for database, new_url in databases.items():
            for writers in WRITERS:
                ours: dict[int, list[float]] = {1: [], MANY: []}
                bare: list[float] = []
                for _ in range(place.runs):
                    for collections in (0, *ours):
                        os.sync()
                        run = worker("commit_versions", new_url(), writers, collections, SECONDS, environ={})
                        (ours[collections] if collections else bare).append(run["rate"])
                for collections, found in ours.items():
                    yield Row(
                        f"commits, {database}, {writers} writers, {collections} collections",
                        rates(found),
                        f"{rates(bare)} bare INSERT",
                        f"{median(found) / median(bare):.3g} ×",
                        "",
                        True,
                    )


def growth(place: Workplace) -> Iterator[Row]:
    """The median of 200 commits, one version each, to a catalog that has so many."""
    with _databases(place) as databases:
        for database, new_url in databases.items():
            least: list[float] = []
            for versions in VERSIONS:
                found: list[float] = []
                for _ in range(place.runs):
                    found.append(worker("commit_after", new_url(), versions, environ={})["seconds"])
                least = least or found
                yield Row(
                    f"a commit, {database}, {versions:,} versions",
                    milliseconds(found),
                    f"{milliseconds(least)} at {VERSIONS[0]:,}",
                    f"{median(found) / median(least):.3g} ×",
                    "",
                    True,
                )


@contextmanager
def _databases(place: Workplace) -> Iterator[dict[str, _NewUrl]]:
    if postgres_program("postgres") is None:
        raise Unavailable("PostgreSQL is not installed")
    with place.directory("catalogs") as directory, postgres(fsync="on") as server:
        numbers = iter(range(1_000_000))
        yield {
            "SQLite": lambda: f"sqlite:///{directory}/{next(numbers)}/catalog.db",
            "PostgreSQL": lambda: server.url(server.new_database()),
        }
