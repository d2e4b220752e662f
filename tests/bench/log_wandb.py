"""The same training process with wandb in offline mode: prints how long its thread was blocked, in seconds.

    python -m bench.log_wandb file|dir|each PATH POLICY

The run is begun before the clock starts, and finished after it stopped.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

import wandb


def main(what: str, path: Path, policy: str) -> None:
    run = wandb.init(project="bench", mode="offline")
    calls = 0.0
    files = sorted(path.iterdir()) if what == "each" else [path]
    start = perf_counter()
    for number, file in enumerate(files):
        artifact = wandb.Artifact(f"bench-{number}", "dataset")
        add = artifact.add_dir if what == "dir" else artifact.add_file
        add(str(file), policy=policy)
        called = perf_counter()
        run.log_artifact(artifact)
        calls += perf_counter() - called
    logged = perf_counter()
    run.finish()
    print(json.dumps({"blocked": logged - start, "calls": calls}))


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
