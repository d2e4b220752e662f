"""A training process that logs with artifactd: prints how long its thread was blocked, in seconds.

    python -m bench.log_artifactd file|dir|each|new PATH POLICY

The run is begun before the clock starts. Figures: `blocked` for building and logging, `calls` for the calls of
`log_artifact` alone, `committed` from the first call to the commit and `pipeline` from the last one to it; `cpu`
is what the processors did for this process meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time

import artifactd.client as artifactd
from bench.data import BLOCK


def main(what: str, path: Path, policy: artifactd.Policy) -> None:
    run = artifactd.init(project="bench")
    handles = []
    calls = 0.0
    files = sorted(path.iterdir()) if what == "each" else [path]
    noise = os.urandom(BLOCK)
    start, used = perf_counter(), process_time()
    for number, file in enumerate(files):
        artifact = artifactd.Artifact(f"bench-{number}", "dataset")
        if what == "dir":
            artifact.add_dir(file, policy=policy)
        elif what == "new":
            with artifact.new_file("new.bin", "wb") as new:
                for _ in range(int(file.name) // BLOCK):
                    new.write(noise)
        else:
            artifact.add_file(file, policy=policy)
        called = perf_counter()
        handles.append(run.log_artifact(artifact))
        calls += perf_counter() - called
    logged = perf_counter()
    for handle in handles:
        handle.wait()
    committed = perf_counter()
    figures = {
        "blocked": logged - start,
        "calls": calls,
        "committed": committed - start,
        "pipeline": committed - called,
        "cpu": process_time() - used,
    }
    print(json.dumps(figures))


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
