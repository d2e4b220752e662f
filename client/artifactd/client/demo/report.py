"""What the reader sees: the story as it goes on, the table of versions, the checks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from artifactd.client.demo.checks import Check
from artifactd.client.demo.evidence import Committed

__all__ = ["Teller", "show_checks", "show_epochs"]

_CELL = len("epoch 9 99.9% best")


class Teller:
    """Says what happens, and when: in seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:5.1f} s  {text}", flush=True)


def show_epochs(models: Mapping[str, Sequence[Committed]]) -> None:
    """A row for each version number, a column for each model: the epoch in it, and how accurate it is."""
    width = max(_CELL, *map(len, models)) + 2
    print("\nversion  " + "".join(name.ljust(width) for name in models).rstrip())
    for number in sorted({version.version for versions in models.values() for version in versions}):
        cells = [_cell(versions, number).ljust(width) for versions in models.values()]
        print(f"v{number}".ljust(9) + "".join(cells).rstrip())


def show_checks(checks: Sequence[Check]) -> None:
    """A line for each promise, and how many held."""
    width = max(len(check.promise) for check in checks)
    for check in checks:
        print(f"{'ok  ' if check.held else 'FAIL'}  {check.promise.ljust(width)}  {check.detail}")
    held = sum(check.held for check in checks)
    print(f"\n{held} of {len(checks)} promises held")


def _cell(versions: Sequence[Committed], number: int) -> str:
    for version in versions:
        if version.version == number:
            best = " best" if "best" in version.aliases else ""
            return f"epoch {version.metadata['epoch']} {version.metadata['accuracy']:.1%}{best}"
    return "-"
