"""A process that downloads what `log_artifactd` has logged: prints seconds of wall clock and of the processor.

python -m bench.download_large_artifactd link|copy DIRECTORY
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter, process_time

import artifactd.client as artifactd


def main(how: str, directory: Path) -> None:
    version = artifactd.Api({"project": "bench"}).artifact("bench-0:latest")
    start, used = perf_counter(), process_time()
    version.download(directory, link=how == "link")
    print(json.dumps({"seconds": perf_counter() - start, "cpu": process_time() - used}))


main(sys.argv[1], Path(sys.argv[2]))
