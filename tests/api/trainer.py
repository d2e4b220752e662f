"""A training program that does what it is told, one word a line, and never finishes its run by itself.

python -m api.trainer RUN [ARTIFACT]        logs ARTIFACT by RUN; prints `ready`, then an answer to each line
"""

from __future__ import annotations

import os
import signal
import sys

import artifactd.client as artifactd
from api.support import made_of

__all__: list[str] = []


def _main(run: str, artifact: str | None) -> None:
    artifactd.init(id=run)
    if artifact is not None:
        artifactd.log_artifact(made_of(artifact, {"a": b"1"}))
    print("ready", flush=True)
    while line := sys.stdin.readline():
        match line.split():
            case ["raise"]:
                raise ZeroDivisionError
            case ["interrupt"]:
                os.kill(os.getpid(), signal.SIGINT)
                signal.pause()
            case ["exit", code]:
                sys.exit(int(code))
            case ["finish"]:
                artifactd.finish()
                print("finished", flush=True)
            case ["fork", *what]:
                child = os.fork()
                if child == 0:
                    _child(*what)
                print(child, flush=True)
                if what:
                    os.waitpid(child, 0)
                    print("reaped", flush=True)


def _child(what: str = "pause", run: str = "") -> None:
    if what == "pause":
        signal.pause()
    elif what == "leave":
        with artifactd.run or artifactd.init():
            sys.exit(0)
    elif what == "start":
        artifactd.init(id=run)
    sys.exit(0)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
