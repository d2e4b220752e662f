"""Write a file in the way of `log_artifactd new`, and nothing else: prints the seconds as `blocked`.

python -m bench.write_plainly PATH SIZE
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter

from bench.data import BLOCK


def main(path: str, size: int) -> None:
    noise = os.urandom(BLOCK)
    start = perf_counter()
    with open(path, "xb") as new:
        for _ in range(size // BLOCK):
            new.write(noise)
    print(json.dumps({"blocked": perf_counter() - start}))


main(sys.argv[1], int(sys.argv[2]))
