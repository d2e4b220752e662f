"""Reading: a version out of the node's warm cache against `cp`, and one look-up against a bare SQLite query."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from artifactd.daemon.catalog import Catalog, Head
from bench.daemons import Daemon, running
from bench.data import files_in
from bench.report import Row, at_most, milliseconds
from bench.workplace import Contestant, Workplace, worker

__all__ = ["download", "look_up"]

COLLECTIONS = 100
VERSIONS = 100
LOOK_UPS = 2_000
LIMIT_MS = 3


def download(place: Workplace) -> Iterator[Row]:
    """10,000 files of 4 KiB that another download has fetched before."""
    with place.directory("tree") as tree, place.directory("home") as home, running(home) as daemon:
        files = files_in(tree / "files", 10_000, 4 << 10)
        worker("log_artifactd", "dir", files, "mutable", environ=daemon.environ)
        _artifactd(daemon, tree / "warm")
        shutil.rmtree(tree / "warm")
        contestants: dict[str, Contestant] = {"ours": partial(_artifactd, daemon), "cp": partial(_cp, files)}
        figures = place.compare(contestants)
    what = "use_artifact and download: 10,000 files of 4 KiB, warm cache"
    yield at_most(what, figures["ours.seconds"], figures["cp.seconds"], 1.5, "cp -r")


def look_up(place: Workplace) -> Iterator[Row]:
    """`Api().artifact(address)` by number and by alias, in a catalog of many versions."""
    with place.directory("home") as home:
        catalog = home / "catalog.db"
        _fill(catalog)
        sizes = (LOOK_UPS, COLLECTIONS, VERSIONS)
        with running(home) as daemon:
            contestants: dict[str, Contestant] = {
                "ours": lambda _: worker("look_up_artifactd", *sizes, environ=daemon.environ),
                "bare": lambda _: worker("select_rows", catalog, *sizes, environ={}),
            }
            figures = place.compare(contestants)
    ours, bare = figures["ours.p50"], figures["bare.p50"]
    yield Row(
        f"Api().artifact(address), p50, {COLLECTIONS * VERSIONS:,} versions in the catalog",
        milliseconds(ours),
        f"{milliseconds(bare)} bare SQLite",
        f"{median(ours) / median(bare):.3g} ×",
        f"≤ {LIMIT_MS} ms",
        1000 * median(ours) <= LIMIT_MS,
    )


def _artifactd(daemon: Daemon, own: Path) -> dict[str, float]:
    return worker("download_artifactd", "bench/bench-0", own / "copy", environ=daemon.environ)


def _cp(files: Path, own: Path) -> dict[str, float]:
    start = perf_counter()
    subprocess.run(["cp", "-r", files, own / "copy"], check=True)
    return {"seconds": perf_counter() - start}


def _fill(path: Path) -> None:
    """Versions straight into the catalog: a look-up asks for no contents."""
    catalog = Catalog.open(f"sqlite:///{path}")
    try:
        for number in range(VERSIONS):
            catalog.commit([_head(f"c{collection}", number) for collection in range(COLLECTIONS)])
    finally:
        catalog.close()


def _head(name: str, number: int) -> Head:
    return Head(
        uid=os.getuid(),
        id=os.urandom(16),
        body_hash=os.urandom(32),
        entity="bench",
        project="bench",
        name=name,
        type="model",
        digest=f"blake3:{os.urandom(32).hex()}",
        size=1 << 30,
        files=10,
        aliases=("best",) if number == VERSIONS // 2 else (),
        tags=(),
        description=None,
        metadata=f'{{"epoch":{number},"loss":0.125,"optimizer":"adamw"}}',
        run=None,
        accepted_at=1_700_000_000.0 + number,
    )
