"""What importing the client costs a program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.report import Row, at_most
from bench.workplace import Contestant, Workplace

__all__ = ["measure"]


def measure(place: Workplace) -> Iterator[Row]:
    """Seconds around the import in fresh interpreters, bytecode cached."""
    contestants = {
        "ours": _importing("import artifactd.client"),
        "used": _importing("from artifactd.client import Artifact, Client, init, log_artifact"),
        "wandb": _importing("import wandb"),
    }
    for run in contestants.values():
        run(place.root)
    figures = place.compare(contestants)
    theirs = figures["wandb.import"]
    yield at_most("import artifactd.client", figures["ours.import"], theirs, 0.1, "import wandb")
    yield at_most("the same, with Artifact, Client and init", figures["used.import"], theirs, None, "import wandb")


def _importing(statement: str) -> Contestant:
    program = f"from time import perf_counter as clock; start = clock()\n{statement}\nprint(clock() - start)"

    def run(_: Path) -> dict[str, float]:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
        return {"import": float(done.stdout)}

    return run
