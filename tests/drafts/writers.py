"""A program that forks: every process upserts parts of one artifact.

python -m drafts.writers NAME PROGRAM PROCESSES EACH
"""

from __future__ import annotations

import os
import sys

import artifactd.client as artifactd

__all__: list[str] = []


def _write(name: str, program: str, process: int, each: int) -> None:
    for number in range(each):
        artifact = artifactd.Artifact(name, "dataset")
        for path, text in ((f"{program}/{process}/{number}", f"{program} {process} {number}"), ("common", "same")):
            with artifact.new_file(path) as file:
                file.write(text)
        artifactd.upsert_artifact(artifact, "together")


def _main(name: str, program: str, processes: int, each: int) -> int:
    children = []
    for process in range(1, processes):
        child = os.fork()
        if child == 0:
            _write(name, program, process, each)
            sys.exit(0)
        children.append(child)
    _write(name, program, 0, each)
    return max((os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children), default=0)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
