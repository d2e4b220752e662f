"""The daemon with a record of its journal's transactions, written to the file `BENCH_RECORD` as it ends.

The record is a list of `[monotonic time, operations, bytes of the bodies accepted, submissions accepted]`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from artifactd.daemon.__main__ import main
from artifactd.daemon.queue.journal import Journal

_transactions: list[tuple[float, int, int, int]] = []
_write = Journal.write


def _recorded_write(journal: Journal, operations: Sequence[Any]) -> Any:
    results = _write(journal, operations)
    bodies = [len(operation.body) for operation in operations if hasattr(operation, "body")]
    _transactions.append((time.monotonic(), len(operations), sum(bodies), len(bodies)))
    return results


if __name__ == "__main__":
    Journal.write = _recorded_write  # type: ignore[assignment, method-assign]
    code = main()
    Path(os.environ["BENCH_RECORD"]).write_text(json.dumps(_transactions))
    sys.exit(code)
