"""Look versions up by their addresses, one after the other: prints the median of the calls, in seconds.

python -m bench.look_up_artifactd COUNT COLLECTIONS VERSIONS
"""

from __future__ import annotations

import json
import sys
from statistics import median
from time import perf_counter

import artifactd.client as artifactd
from bench.addresses import some


def main(count: int, collections: int, versions: int) -> None:
    api = artifactd.Api({"entity": "bench", "project": "bench"})
    times = []
    for name, alias in some(count, collections, versions):
        start = perf_counter()
        api.artifact(f"{name}:{alias}")
        times.append(perf_counter() - start)
    print(json.dumps({"p50": median(times)}))


main(*map(int, sys.argv[1:]))
