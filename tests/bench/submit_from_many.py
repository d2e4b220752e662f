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


def main(processes: int, each: int, directory: Path) -> None:
    context = multiprocessing.get_context("fork")
    together = context.Barrier(processes)
    spans: Any = context.SimpleQueue()
    clients = [
        context.Process(target=_client, args=(directory / str(number), each, together, spans))
        for number in range(processes)
    ]
    for client in clients:
        client.start()
    starts, ends = zip(*(spans.get() for _ in clients), strict=True)
    for client in clients:
        client.join()
    print(json.dumps({"start": min(starts), "end": max(ends)}))


def _client(directory: Path, each: int, together: Any, spans: Any) -> None:
    directory.mkdir()
    client = Client(project="bench")
    artifacts = []
    for number in range(each):
        file = directory / str(number)
        file.write_bytes(os.urandom(FILE_BYTES))
        artifact = Artifact(f"bench-{directory.name}", "dataset")
        artifact.add_file(file, policy="immutable")
        artifacts.append(artifact)
    together.wait()
    start = time.monotonic()
    for artifact in artifacts:
        client.log_artifact(artifact)
    spans.put((start, time.monotonic()))


main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
