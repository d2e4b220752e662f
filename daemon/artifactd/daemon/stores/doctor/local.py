"""The examination of a store in a directory: whether it can be written durably, and on what it lies."""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from artifactd.daemon.mounts import filesystem_of, is_network_kind
from artifactd.daemon.stores.doctor.report import PROBES, Finding, Hopeless, Level
from artifactd.daemon.stores.local.files import descriptor, make_directories, sync_all
from artifactd.daemon.stores.os_errors import write_all

__all__ = ["LocalExamination"]

_SMALL = 16 << 10
_ROUNDS = 11
_LARGE = 8 << 20
_SCARCE = 1 << 30
_GIB = 1 << 30


class LocalExamination:
    """See `doctor.Examination`. Its steps run in worker threads."""

    def __init__(self, root: Path) -> None:
        self.url = root.as_uri()
        self._root = root
        self._below = root / PROBES / secrets.token_hex(8)
        self._made: list[Path] = []

    @property
    def steps(self) -> Sequence[tuple[str, Callable[[], Awaitable[list[Finding]]]]]:
        steps = {
            "writing": self._write,
            "syncing and renaming": self._rename,
            "the filesystem": self._filesystem,
            "measuring speed": self._measure,
        }
        return [(title, partial(trio.to_thread.run_sync, step)) for title, step in steps.items()]

    def conclude(self) -> list[Finding]:
        return []

    async def clean_up(self) -> None:
        await trio.to_thread.run_sync(self._remove)

    @property
    def left(self) -> Sequence[str]:
        return [str(path) for path in self._made if path.exists()]

    def _write(self) -> list[Finding]:
        missing = [path for path in (*reversed(self._below.parents), self._below) if not path.exists()]
        self._made += missing
        try:
            make_directories(self._below)
            self._store("written", b"bytes")
            same = (self._below / "written").read_bytes() == b"bytes"
        except OSError as error:
            finding = Finding("write", Level.FAILURE, False, f"{self._root}: {error.strerror}", _advice(error))
            raise Hopeless(finding) from error
        found = "files can be written and read" if same else "what is read is not what was written"
        return [Finding("write", Level.OK if same else Level.FAILURE, same, found)]

    def _rename(self) -> list[Finding]:
        try:
            self._store("over", b"first")
            self._store("over", b"second")
            sync_all([self._below])
        except OSError as error:
            finding = Finding("durability", Level.FAILURE, False, f"{error.strerror}", "objects could be lost")
            raise Hopeless(finding) from error
        follows = "an object is there whole and survives a loss of power, or it is not there"
        return [Finding("durability", Level.OK, True, "files are synced and renamed", follows)]

    def _filesystem(self) -> list[Finding]:
        kind = filesystem_of(self._below.stat().st_dev)
        disk = os.statvfs(self._below)
        free = disk.f_bavail * disk.f_frsize
        scarce = free < _SCARCE
        follows = "uploads wait when it is full" if scarce else ""
        room = Finding(
            "space", Level.WARNING if scarce else Level.OK, free, f"{free / _GIB:.1f} GiB free", follows
        )
        return [_judge_kind(kind), room]

    def _measure(self) -> list[Finding]:
        rounds = []
        for number in range(_ROUNDS):
            began = time.perf_counter()
            self._store(f"small-{number}", bytes(_SMALL))
            rounds.append(time.perf_counter() - began)
        latency = statistics.median(rounds)
        began = time.perf_counter()
        self._store("large", bytes(_LARGE))
        rate = _LARGE / (time.perf_counter() - began)
        small = f"16 KiB are durable after {latency * 1000:.1f} ms (median)"
        return [
            Finding("latency", Level.OK, round(latency, 6), small),
            Finding(
                "throughput", Level.OK, round(rate), f"8 MiB are made durable at {rate / (1 << 20):.0f} MiB/s"
            ),
        ]

    def _store(self, name: str, data: bytes) -> None:
        """As the store does: temporary name, sync, rename."""
        temporary = self._below / f".{name}"
        with descriptor(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as fd:
            write_all(fd, memoryview(data))
            os.fsync(fd)
        os.replace(temporary, self._below / name)

    def _remove(self) -> None:
        """Take away our files, and the directories that were not there before."""
        with suppress(OSError):
            for path in self._below.iterdir():
                path.unlink()
            for path in reversed(self._made):
                path.rmdir()


def _judge_kind(kind: str) -> Finding:
    if is_network_kind(kind):
        follows = "objects may lie there; the daemon's home may not"
        return Finding("filesystem", Level.NOTE, kind, f"{kind}, over a network", follows)
    if kind in ("tmpfs", "ramfs"):
        return Finding("filesystem", Level.WARNING, kind, f"{kind}, in memory", "a reboot loses all objects")
    return Finding("filesystem", Level.OK, kind, f"{kind}, local")


def _advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"let uid {os.getuid()} write there, or run doctor as the daemon's user"
    return "correct the store's URL, or the directory"
