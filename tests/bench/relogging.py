"""Logging a directory again that did not change: what it uploads, and how long the training thread is blocked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench.daemons import running
from bench.data import files_in
from bench.report import Row, seconds
from bench.workplace import Contestant, Workplace, worker

__all__ = ["measure"]

LIMIT_MS = 300


def measure(place: Workplace) -> Iterator[Row]:
    """A directory of 10,000 files of 4 KiB, by both policies."""
    directory = place.root / "data" / "files"
    contestants: dict[str, Contestant] = {
        policy: partial(_artifactd, directory, policy) for policy in ("mutable", "immutable")
    }
    figures = place.compare(contestants, lambda _: files_in(directory, 10_000, 4 << 10))
    for policy, limit in (("mutable", None), ("immutable", LIMIT_MS)):
        again, uploaded = figures[f"{policy}.again"], int(max(figures[f"{policy}.uploaded"]))
        yield Row(
            f"blocked: 10,000 unchanged files logged again, {policy}",
            seconds(again),
            f"{seconds(figures[f'{policy}.first'])} the first time",
            f"{uploaded:,} bytes uploaded",
            "0 bytes" if limit is None else f"≤ {limit} ms, 0 bytes",
            uploaded == 0 and (limit is None or 1000 * median(again) <= limit),
        )


def _artifactd(directory: Path, policy: str, own: Path) -> dict[str, float]:
    with running(own) as daemon:
        return worker("relog_artifactd", directory, policy, environ=daemon.environ)
