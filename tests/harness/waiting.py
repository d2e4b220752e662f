"""Waiting for what a daemon says of itself."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from artifactd.client import Client
from harness.daemon import DaemonProcess

__all__ = ["PATIENCE", "status_text", "wait_told", "wait_until"]

PATIENCE = 60.0


def wait_until(said: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def wait_told(client: Client, words: str) -> None:
    """Until the status says so, of the store and of all that waits for it."""

    def is_told() -> bool:
        status = client.status()
        assert status["submissions"]["failed"] == 0
        told = [status["store"]["error"], *(item["waiting_for"] for item in status["items"])]
        return all(words in str(text) and "waiting until that is mended" in str(text) for text in told)

    wait_until(is_told, f"nothing of: {words}")
    assert client.status()["store"]["state"] == "failing"


def status_text(daemon: DaemonProcess) -> str:
    line = [sys.executable, "-m", "artifactd.client.cli", "--socket", str(daemon.socket), "status"]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
