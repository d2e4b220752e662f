"""Where the runs take place and in which order: interleaved, on the same data, in fresh processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.daemons import clean_environ

__all__ = ["Contestant", "Unavailable", "Workplace", "worker"]

Contestant = Callable[[Path], dict[str, float]]
"""One run, in an empty directory of its own; returns its figures by name."""


class Unavailable(Exception):
    """What a row needs is not on this machine."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """A directory on the disk that is measured, and how often each contestant runs."""

    root: Path
    runs: int

    @contextmanager
    def directory(self, name: str) -> Iterator[Path]:
        """An empty directory, gone at the end."""
        path = self.root / name
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path)

    def compare(
        self, contestants: Mapping[str, Contestant], prepare: Callable[[Path], object] = lambda _: None
    ) -> dict[str, list[float]]:
        """Every figure of every contestant, as `contestant.figure`, over all turns.

        In each turn `prepare` makes new data in `root/data`, and each contestant runs once, in turns forwards
        and backwards. The disk is idle before each run, so that nobody pays for what another one wrote.
        """
        figures: dict[str, list[float]] = {}
        names = list(contestants)
        for turn in range(self.runs):
            with self.directory("data") as data:
                prepare(data)
                for name in names[:: -1 if turn % 2 else 1]:
                    os.sync()
                    with self.directory("own") as own:
                        for figure, value in contestants[name](own).items():
                            figures.setdefault(f"{name}.{figure}", []).append(value)
        return figures


def worker(module: str, *arguments: object, environ: Mapping[str, str]) -> dict[str, float]:
    """Run a module of this package in a fresh interpreter and return the figures that it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", *map(str, arguments)],
        env={**clean_environ(), **environ},
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures
