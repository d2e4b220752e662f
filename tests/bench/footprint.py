"""The daemon's memory with a long queue."""

from __future__ import annotations

from collections.abc import Iterator

from bench.daemons import running
from bench.report import Row, megabytes
from bench.s3_sinks import CREDENTIALS
from bench.workplace import Workplace, worker

__all__ = ["measure"]

LIMIT = 150_000_000
PROCESSES = 16
EACH = 625
NOBODY = "http://127.0.0.1:9"
"""An S3 server that refuses every connection: what is accepted stays in the queue."""


def measure(place: Workplace) -> Iterator[Row]:
    """Resident memory once 10,000 submissions are queued, their workers waiting for the store."""
    environ = CREDENTIALS | {"ARTIFACTD_STORE__S3__ENDPOINT_URL": NOBODY}
    with (
        place.directory("home") as home,
        place.directory("data") as data,
        running(home, store="s3://bucket/bench", environ=environ) as daemon,
    ):
        idle = daemon.memory()["VmRSS"]
        worker("submit_from_many", PROCESSES, EACH, data, environ=daemon.environ)
        queued = worker("count_queued", environ=daemon.environ)["queued"]
        memory = daemon.memory()
    if queued != PROCESSES * EACH:
        raise RuntimeError(f"{queued:.0f} submissions are queued, not {PROCESSES * EACH}")
    yield Row(
        f"daemon's memory with {PROCESSES * EACH:,} submissions queued",
        f"{megabytes(memory['VmRSS'])}, peak {megabytes(memory['VmHWM'])}",
        f"{megabytes(idle)} idle",
        f"+ {megabytes(memory['VmRSS'] - idle)}",
        f"≤ {megabytes(LIMIT)}",
        memory["VmRSS"] <= LIMIT,
    )
