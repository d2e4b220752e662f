"""An editor in a process of its own: looks a version up, changes it, and saves when it is told to.

python -m api.editors ADDRESS CHANGE        CHANGE is the text of a JSON object: what to set, or to `append`

Prints `ready` once it has looked, saves when a line comes in, and prints `saved` or the name of the error.
"""

from __future__ import annotations

import json
import sys

import artifactd.client as artifactd

__all__: list[str] = []


def _main(address: str, change: str) -> None:
    artifact = artifactd.Api().artifact(address)
    for field, value in json.loads(change).items():
        if field == "append":
            artifact.aliases.append(value)
        else:
            setattr(artifact, field, value)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        artifact.save()
    except artifactd.ArtifactdError as error:
        print(type(error).__name__, flush=True)
    else:
        print("saved", flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
