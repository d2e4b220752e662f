"""Daemons on homes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Daemon", "clean_environ", "running"]

START_SECONDS = 30.0
POLL_SECONDS = 0.02
LOG = "daemon.log"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that is up."""

    home: Path
    process: subprocess.Popen[bytes]

    @property
    def environ(self) -> dict[str, str]:
        """What its clients need."""
        return {"ARTIFACTD_HOME": str(self.home)}

    def memory(self) -> dict[str, int]:
        """Bytes: `VmRSS` now and `VmHWM`, its peak."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return {name: int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")}

    def cpu_seconds(self) -> float:
        """What the processors have done for it, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def wait_for(self, text: str) -> None:
        """Wait until its log says so."""
        deadline = time.monotonic() + START_SECONDS
        while text not in (self.home / LOG).read_text():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the daemon never said {text!r}")
            time.sleep(POLL_SECONDS)


@contextmanager
def running(
    home: Path,
    *,
    store: str | None = None,
    environ: Mapping[str, str] | None = None,
    module: str = "artifactd.daemon",
) -> Iterator[Daemon]:
    """A daemon on the empty directory `home`; it is killed at the end, with what it has not done yet."""
    command = [sys.executable, "-m", module, "serve", "--home", str(home)]
    if store is not None:
        command += ["--store", store]
    with (home / LOG).open("wb") as log:
        process = subprocess.Popen(command, env={**clean_environ(), **(environ or {})}, stdout=log, stderr=log)
    try:
        _wait_until_up(home, process)
        yield Daemon(home, process)
    finally:
        process.kill()
        process.wait()


def clean_environ() -> dict[str, str]:
    """The environment without what would lead a contestant to the user's own set-up."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ARTIFACTD_", "WANDB_"))}


def _wait_until_up(home: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(home / "artifactd.sock"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the daemon did not start: {(home / 'daemon.log').read_text()[-2000:]}")
        time.sleep(POLL_SECONDS)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return not probe.connect_ex(str(path))
