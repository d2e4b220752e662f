"""A bare SQLite loop: rows of one size inserted in transactions of one size, each synced. Prints `seconds`.

python -m bench.insert_rows FILE ROWS ROW_BYTES BATCH
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter

import apsw


def main(path: str, rows: int, row_bytes: int, batch: int) -> None:
    db = apsw.Connection(path)
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "FULL")
    db.execute("CREATE TABLE rows (position INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    bodies = [(os.urandom(row_bytes),) for _ in range(rows)]
    start = perf_counter()
    for first in range(0, rows, batch):
        with db:
            db.executemany("INSERT INTO rows (body) VALUES (?)", bodies[first : first + batch])
    print(json.dumps({"seconds": perf_counter() - start}))


main(sys.argv[1], *map(int, sys.argv[2:]))
