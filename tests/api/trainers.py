"""A training program that forks: every process logs to one collection, through the module's own functions.

python -m api.trainers NAME PROCESSES EACH        prints the handles' ids, one line of JSON per process
"""

from __future__ import annotations

import json
import os
import sys

import artifactd.client as artifactd

__all__: list[str] = []


def _train(name: str, process: int, each: int) -> None:
    ids = []
    for number in range(each):
        artifact = artifactd.Artifact(name, "model", metadata={"process": process, "number": number})
        with artifact.new_file("weights") as file:
            file.write(f"{process} {number}")
        ids.append(artifactd.log_artifact(artifact).id)
    # One write, which other processes' do not mix with.
    os.write(1, (json.dumps(ids) + "\n").encode())


def _main(name: str, processes: int, each: int) -> int:
    with artifactd.init(job_type="parent"):
        _train(name, 0, each)
        children = []
        for process in range(1, processes):
            child = os.fork()
            if child == 0:
                _train(name, process, each)
                # As a program that ends without a thought for its sockets.
                sys.exit(0)
            children.append(child)
        _train(name, processes, each)
        return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
