"""Use a version and download it: prints how long that took, in `seconds`.

python -m bench.download_artifactd ADDRESS ROOT
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import artifactd.client as artifactd


def main(address: str, root: str) -> None:
    client = artifactd.Client()
    start = perf_counter()
    client.use_artifact(address).download(root)
    print(json.dumps({"seconds": perf_counter() - start}))


main(*sys.argv[1:])
