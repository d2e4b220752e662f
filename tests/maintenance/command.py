"""`artifactd verify` as an administrator calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.processes import environment
from harness.waiting import PATIENCE

__all__ = ["line", "run_verify", "start_verify"]


def run_verify(home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end. `environ` is added to the process's environment."""
    return subprocess.run(
        line(home, arguments), env=environment(environ), capture_output=True, text=True, timeout=PATIENCE
    )


def start_verify(home: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start it; the caller ends it."""
    return subprocess.Popen(
        line(home, arguments),
        env=environment(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line(home: Path, arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "artifactd.client.cli", "verify", "--home", str(home), *arguments]
