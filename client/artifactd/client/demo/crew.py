"""The processes that train and log, and what each reports to the one that tells the story."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from artifactd.client.demo.failure import DemoFailed, tail

__all__ = ["Crew", "Logged", "Worker"]

_LIMIT_SECONDS = 300.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Logged:
    """One artifact that the daemon has accepted, as the process that logged it knows it."""

    collection: str
    id: str
    metadata: Mapping[str, Any]
    digests: Mapping[str, str]
    """BLAKE3 of every file's bytes at that moment, by its path in the artifact."""
    size: int
    seconds: float
    """How long adding the files and `log_artifact` took."""


class Worker:
    """A process of its own: runs `target(connection, *arguments)`, its output goes to `log`."""

    def __init__(self, name: str, log: Path, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        # Forking would hand on the threads' locks of whatever this process has loaded.
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.log = log
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, log, target, arguments), name=name)
        self.process.start()
        theirs.close()

    def go(self) -> None:
        """Let it go on, where it waits for a word."""
        self.connection.send(None)


class Crew:
    """All workers, and in `logged` what they reported, in the order of arrival. Leaving the context ends them."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._end = time.monotonic() + _LIMIT_SECONDS
        self._workers: dict[Any, Worker] = {}
        self.logged: list[Logged] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
            worker.process.join(_STOP_SECONDS)

    def start(self, name: str, target: Callable[..., None], *arguments: Any) -> Worker:
        worker = Worker(name, self._home / f"{name}.log", target, arguments)
        self._workers[worker.connection] = worker
        return worker

    def of(self, collection: str) -> list[Logged]:
        return [logged for logged in self.logged if logged.collection == collection]

    def works(self, worker: Worker) -> bool:
        return worker.connection in self._workers

    def gather(self, enough: Callable[[], bool]) -> None:
        """Take reports until `enough()`. Raises `DemoFailed` for a worker that failed, or when nothing comes."""
        while not enough():
            # With nobody to wait for, `wait` would sleep until its timeout.
            ready = wait(list(self._workers), self._end - time.monotonic()) if self._workers else []
            if not ready:
                names = ", ".join(worker.name for worker in self._workers.values())
                raise DemoFailed(f"nothing more came from {names or 'any process'}")
            for connection in ready:
                self._take(self._workers[connection])

    def _take(self, worker: Worker) -> None:
        try:
            self.logged.append(worker.connection.recv())
        except EOFError:
            worker.process.join()
            del self._workers[worker.connection]
            if worker.process.exitcode:
                raise DemoFailed(f"the process {worker.name} failed:{tail(worker.log)}") from None


def _work(connection: Connection, log: Path, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of the terminal; the one that tells the story ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with log.open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    target(connection, *arguments)
