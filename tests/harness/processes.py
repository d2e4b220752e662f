"""Start a module of the tests as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["environment", "start_module"]

_TESTS = Path(__file__).parents[1]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its settings of artifactd, with `extra`; the tests can be imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARTIFACTD_")}
    return kept | {"PYTHONPATH": str(_TESTS)} | dict(extra)


def start_module(
    module: str, *arguments: str, environ: Mapping[str, str], stdin: int, stdout: int, stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """Run `python -m module` in a process group of its own. The caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=environment(environ),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
    )
