"""`artifactd serve` in a process of its own, with nothing configured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from artifactd.client.demo.failure import DemoFailed, tail

__all__ = ["Daemon"]

_START_SECONDS = 30.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.02


class Daemon:
    """The daemon of `home`; all its lives write to `daemon.log` there. Leaving the context kills it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log = home / "daemon.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Daemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        return self._running.pid

    def start(self) -> dict[str, Any]:
        """Start it and return what it said when it was ready. Raises `DemoFailed`."""
        # No file of settings: whatever /etc has, the demo shows the defaults.
        command = [sys.executable, "-m", "artifactd.daemon", "serve", "--config", os.devnull]
        with self._log.open("ab") as log:
            offset = log.tell()
            # A session of its own: Ctrl-C is the demo's to handle.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            end = time.monotonic() + _START_SECONDS
            while time.monotonic() < end and self._process.poll() is None:
                for line in self._lines(offset):
                    if line.get("event") == "artifactd is ready":
                        return line
                time.sleep(_POLL_SECONDS)
        raise DemoFailed(f"the daemon did not start:{tail(self._log)}")

    def kill(self) -> int:
        """SIGKILL. Returns the process's exit status."""
        self._running.kill()
        return self._ended(_STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM: it finishes what is under way. Returns the process's exit status; raises `DemoFailed`."""
        self._running.terminate()
        try:
            return self._ended(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"the daemon does not stop:{tail(self._log)}") from error

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise DemoFailed("the daemon is not running")
        return self._process

    def _ended(self, seconds: float) -> int:
        status = self._running.wait(seconds)
        self._process = None
        return status

    def _lines(self, offset: int) -> list[dict[str, Any]]:
        with self._log.open("rb") as log:
            log.seek(offset)
            complete = log.read().rpartition(b"\n")[0]
        return [json.loads(line) for line in complete.splitlines() if line.startswith(b"{")]
