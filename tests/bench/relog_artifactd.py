"""Log a directory twice: prints how long each blocked, in seconds, and the bytes that the second one uploaded.

python -m bench.relog_artifactd DIRECTORY POLICY
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import artifactd.client as artifactd


def main(directory: str, policy: artifactd.Policy) -> None:
    client = artifactd.Client()
    first = _log(client, directory, policy)
    uploaded = client.status()["store"]["uploaded_bytes"]
    again = _log(client, directory, policy)
    uploaded = client.status()["store"]["uploaded_bytes"] - uploaded
    print(json.dumps({"first": first, "again": again, "uploaded": uploaded}))


def _log(client: artifactd.Client, directory: str, policy: artifactd.Policy) -> float:
    start = perf_counter()
    artifact = artifactd.Artifact("bench", "dataset")
    artifact.add_dir(directory, policy=policy)
    handle = client.log_artifact(artifact)
    blocked = perf_counter() - start
    assert handle.wait().version == "v0"
    return blocked


main(*sys.argv[1:])
