"""Submissions accepted per second from many processes, against a bare SQLite loop with equal rows and batches."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.daemons import running
from bench.report import Row, rates
from bench.workplace import Workplace, worker

__all__ = ["measure"]

PROCESSES = 64
EACH = 100
OTHER_COLUMNS = 116
"""Bytes of a journal row beside its body: id, hash, boot, checksum, state, uid, position, times."""


def measure(place: Workplace) -> Iterator[Row]:
    """The store is in memory, and the pipeline commits behind the intake."""
    ours: list[float] = []
    bare: list[float] = []
    batches: list[float] = []
    for _ in range(place.runs):
        os.sync()
        with place.directory("home") as home, place.directory("data") as data:
            seconds, batch, row_bytes = _accept(home, data)
        ours.append(PROCESSES * EACH / seconds)
        batches.append(batch)
        os.sync()
        with place.directory("home") as home:
            loop = worker("insert_rows", home / "rows.db", PROCESSES * EACH, row_bytes, round(batch), environ={})
        bare.append(PROCESSES * EACH / loop["seconds"])
    ratio = median(ours) / median(bare)
    yield Row(
        f"submissions accepted from {PROCESSES} processes",
        rates(ours),
        f"{rates(bare)} bare SQLite, {median(batches):.0f} rows a transaction",
        f"{ratio:.3g} ×",
        "≥ 0.5 ×",
        ratio >= 0.5,
    )


def _accept(home: Path, data: Path) -> tuple[float, float, int]:
    """Seconds, and of the transactions in that time: the mean number of operations and of bytes of a row."""
    record = home / "transactions.json"
    observed = {"BENCH_RECORD": str(record)}
    with running(home, store="memory:", environ=observed, module="bench.observed_daemon") as daemon:
        span = worker("submit_from_many", PROCESSES, EACH, data, environ=daemon.environ)
        # The first lets it finish what is under way, which nobody waits for here; the second stops it.
        daemon.process.terminate()
        daemon.wait_for("draining")
        daemon.process.terminate()
        daemon.process.wait()
    written = json.loads(record.read_text())
    within = [row for row in written if span["start"] <= row[0] <= span["end"] and row[3]]
    operations, body_bytes, accepted = (sum(row[column] for row in within) for column in (1, 2, 3))
    return span["end"] - span["start"], operations / len(within), OTHER_COLUMNS + body_bytes // accepted
