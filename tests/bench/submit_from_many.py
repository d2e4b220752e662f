"""Many client processes that log small artifacts at the same time, each one after the other.

    python -m bench.submit_from_many PROCESSES EACH DIRECTORY

Every artifact is one new file of 100 bytes, read in place; files and artifacts are made before the clock starts.
Prints when the first call began and when the last was accepted, in monotonic seconds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

from artifactd.client import Artifact, Client

FILE_BYTES = 100
READY_SECONDS = 60

_each: int
_directory: Path
_alone: Any
_together: Any


def main(processes: int, each: int, directory: Path) -> None:
    context = multiprocessing.get_context("fork")
    shared = (each, directory, context.Lock(), context.Barrier(processes))
    # Everybody is kept by the barrier, so that each process takes one task.
    with context.Pool(processes, _share, shared) as pool:
        starts, ends = zip(*pool.map(_log, range(processes), chunksize=1), strict=True)
    print(json.dumps({"start": min(starts), "end": max(ends)}))


def _share(*shared: Any) -> None:
    global _each, _directory, _alone, _together
    _each, _directory, _alone, _together = shared


def _log(number: int) -> tuple[float, float]:
    own = _directory / str(number)
    own.mkdir()
    # One after the other: a daemon must greet within a second, and they are far more than the processors.
    with _alone:
        client = Client(project="bench")
        artifacts = [_artifact(own, index) for index in range(_each)]
    _together.wait(READY_SECONDS)
    start = time.monotonic()
    for artifact in artifacts:
        client.log_artifact(artifact)
    return start, time.monotonic()


def _artifact(directory: Path, index: int) -> Artifact:
    file = directory / str(index)
    file.write_bytes(os.urandom(FILE_BYTES))
    artifact = Artifact(f"bench-{directory.name}", "dataset")
    artifact.add_file(file, policy="immutable")
    return artifact


main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
