"""A real daemon in a process of its own, which a test starts, stops, kills and freezes."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Set
from pathlib import Path
from typing import Any

from artifactd.client import Client
from artifactd.protocol.endpoint import SOCKET_NAME
from harness.mischief import Mischief
from harness.places import Place
from harness.processes import start_module

__all__ = ["ENTITY", "PROJECT", "DaemonProcess"]

ENTITY, PROJECT = "team", "e2e"

_READY = "artifactd is ready"
_START_SECONDS = 30.0
_STOP_SECONDS = 60.0
_RESERVE = "16777216"
_CLEAN_SECONDS = 5.0
_GLANCE_SECONDS = 0.02


class DaemonProcess:
    """One home, and the daemons that serve it one after the other. `close` it.

    The home is the caller's, and so is the place where the store keeps its objects.
    """

    def __init__(self, home: Path, place: Place) -> None:
        self.home = home
        self.place = place
        self.socket = home / SOCKET_NAME
        self.log: list[dict[str, Any]] = []
        """What all daemons of this home logged; a line that is not JSON is `{"text": line}`."""
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._settled = threading.Event()
        self._is_ready = False

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    def start(self, mischief: Mischief | None = None, *, wait: bool = True, **settings: str) -> None:
        """Start a daemon and wait until it is ready. `settings` are environment variables of this daemon."""
        assert self._process is None, "it runs already"
        environ = {"ARTIFACTD_HOME": str(self.home), "ARTIFACTD_SPOOL__RESERVE": _RESERVE}
        module, environ = "artifactd.daemon", environ | dict(self.place.settings) | settings
        if mischief is not None:
            module, environ = "harness.crashing_daemon", environ | mischief.environ()
        self._settled.clear()
        self._is_ready = False
        self._process = start_module(
            module,
            "serve",
            environ=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = {"text": line.decode(errors="replace").rstrip()}
                self.log.append(entry)
                if entry.get("event") == _READY:
                    self._is_ready = True
                    self._settled.set()
        # Whoever waits for a daemon that died need not wait on.
        self._settled.set()

    def wait_ready(self) -> None:
        """Wait for its own word that it serves."""
        self._settled.wait(_START_SECONDS)
        assert self._is_ready, f"the daemon did not get ready: {self.tail()}"

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash of the kernel's making does."""
        self._signal(signal.SIGKILL)
        assert self._collect() == -signal.SIGKILL, f"the daemon ended by itself: {self.tail()}"

    def wait_killed(self, timeout: float) -> bool:
        """Wait until a daemon with a `kill_at` has killed itself; False if it lives on."""
        assert self._process is not None
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        assert self._collect() == -signal.SIGKILL, f"the daemon ended by itself: {self.tail()}"
        return True

    def wait_ended(self, timeout: float) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self._process is not None
        self._process.wait(timeout)
        return self._collect()

    def stop(self) -> None:
        """End it as an administrator does; it must say that all is well."""
        self._signal(signal.SIGTERM)
        assert self._collect() == 0, f"the daemon did not stop cleanly: {self.tail()}"

    def restart(self, mischief: Mischief | None = None) -> None:
        self.stop()
        self.start(mischief)

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does, as a wedged machine would."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Leave no process behind."""
        if self._process is not None:
            self._process.kill()
            self._collect()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)

    def _collect(self) -> int:
        assert self._process is not None
        assert self._reader is not None
        code = self._process.wait(_STOP_SECONDS)
        self._reader.join()
        self._process = None
        return code

    def client(self, timeout: float = 30.0) -> Client:
        """A client of this daemon; the caller closes it."""
        return Client(self.socket, timeout=timeout, project=PROJECT, entity=ENTITY)

    def uncleaned(self, ids: Set[str]) -> list[str]:
        """Submissions whose files are still in the spool a while after they have ended."""
        deadline = time.monotonic() + _CLEAN_SECONDS
        while (left := ids & {path.name for path in self.spool.iterdir()}) and time.monotonic() < deadline:
            time.sleep(_GLANCE_SECONDS)
        return sorted(left)

    def events(self, event: str) -> list[dict[str, Any]]:
        """What was logged under this name."""
        return [entry for entry in self.log if entry.get("event") == event]

    def tail(self) -> str:
        return "\n".join(str(entry) for entry in self.log[-20:])
