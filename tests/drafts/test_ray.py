"""The example of the guide, as it stands there, on a real Ray cluster of this machine."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from artifactd.client import Api, Client
from artifactd.client.data_types import PartitionedTable
from harness.daemon import DaemonProcess
from harness.processes import environment

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "ray_tables.py"
SECONDS = 100.0
_GONE_SECONDS = 10.0

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed: THE RAY EXAMPLE IS NOT TESTED HERE"
)


@pytest.fixture
def environ(daemon: DaemonProcess, client: Client) -> Iterator[Mapping[str, str]]:
    """For the example; whatever processes it leaves behind are ended."""
    mark = secrets.token_hex(16)
    # Ray has sockets there, too: the path must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as directory:
        yield environment(
            {
                "ARTIFACTD_SOCKET": str(daemon.socket),
                "ARTIFACTD_ENTITY": client.scope.entity,
                "ARTIFACTD_PROJECT": "ray",
                "RAY_TMPDIR": directory,
                "RAY_USAGE_STATS_ENABLED": "0",
                "MARK": mark,
            }
        )
        end = time.monotonic() + _GONE_SECONDS
        while (left := list(marked(mark))) and time.monotonic() < end:
            time.sleep(0.1)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def marked(mark: str) -> Iterator[int]:
    """The processes that inherited the mark."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"MARK={mark}".encode() in path.read_bytes():
                yield int(path.parent.name)


def test_five_ray_tasks_write_parts_of_one_table_that_reads_back_whole(
    environ: Mapping[str, str], client: Client
) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE], env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ray/squares:v0 has 500 rows of 5 tasks" in done.stdout
    version = client.use_artifact("ray/squares:latest")
    assert set(version.entries) == {"all.partitioned-table.json", *(f"parts/{n}.table.json" for n in range(5))}
    table = version.get("all")
    assert isinstance(table, PartitionedTable)
    rows = [row for _, row in table.iterrows()]
    assert rows == [[task, number, number * number] for task in range(5) for number in range(100)]
    runs = list(Api().runs(f"{client.scope.entity}/ray"))
    assert sorted(run.job_type or "" for run in runs) == ["collect", *["square"] * 5]
    assert {run.group for run in runs} == {runs[0].group}
    for run in runs:
        assert [artifact.version for artifact in run.logged_artifacts()] == ["v0"]
