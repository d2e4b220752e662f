"""A program that uses an artifact which it did not log, again and again, each time with the same contents.

python -m api.users NAME TIMES        waits for a line; prints `ready`, then the version of each use
"""

from __future__ import annotations

import sys

import artifactd.client as artifactd
from api.support import made_of

__all__: list[str] = []


def _main(name: str, times: int) -> None:
    with artifactd.init(job_type="use") as run:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(times):
            print(run.use_artifact(made_of(name, {"a": b"same"}), aliases=["used"]).version, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
