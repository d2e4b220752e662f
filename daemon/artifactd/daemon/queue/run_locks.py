"""The files that live runs keep locked, read without trusting them.

A client names its run in a file of its own and holds a POSIX record lock on it, which ends with the process,
however that ends, and which a forked child does not have. Whose file it is the kernel says, not the file.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from artifactd.protocol import names
from artifactd.protocol.errors import InvalidRequest

__all__ = ["RunLock", "RunName", "free_runs", "is_lock_name", "read_locks", "remove_locks"]

_MAX_LOCKS = 10_000
"""Files that are looked at in one go."""
_MAX_BYTES = 4096
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = re.compile(r"[0-9a-f]{32}\Z")


class RunName(NamedTuple):
    """A run as one user names it."""

    uid: int
    entity: str
    project: str
    id: str


@dataclass(frozen=True, slots=True)
class RunLock:
    """One file. `run` is None for one that names no run; `age` is in seconds."""

    name: str
    run: RunName | None
    held: bool
    age: float


class _Contents(msgspec.Struct):
    entity: str
    project: str
    id: str


_decode = msgspec.json.Decoder(_Contents).decode


def is_lock_name(name: str) -> bool:
    """Whether a client may call its file so."""
    return bool(_NAME.match(name))


def read_locks(directory: Path) -> list[RunLock]:
    """Look at the files in `directory`, 10,000 at most. Blocks; this process must not hold such locks itself."""
    now = time.time()
    with os.scandir(directory) as entries:
        return [lock for entry in islice(entries, _MAX_LOCKS) if (lock := _read(directory, entry.name, now))]


def free_runs(locks: Iterable[RunLock]) -> dict[RunName, list[RunLock]]:
    """The runs that no process holds any more, each with all its files. Pure."""
    by_run: dict[RunName, list[RunLock]] = {}
    for lock in locks:
        if lock.run is not None:
            by_run.setdefault(lock.run, []).append(lock)
    return {run: files for run, files in by_run.items() if not any(file.held for file in files)}


def remove_locks(directory: Path, locks: Iterable[RunLock]) -> None:
    """Remove these files; what is no file stays."""
    for lock in locks:
        with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
            os.unlink(directory / lock.name)


def _read(directory: Path, name: str, now: float) -> RunLock | None:
    """None for one that went meanwhile, or cannot be looked at now."""
    try:
        status = os.lstat(directory / name)
        if not stat.S_ISREG(status.st_mode):
            return RunLock(name, None, False, now - status.st_mtime)
        fd = os.open(directory / name, _OPEN)
        try:
            # It may have been another file a moment ago.
            status = os.fstat(fd)
            return RunLock(name, _run_in(fd, status, name), _is_held(fd), now - status.st_mtime)
        finally:
            os.close(fd)
    except OSError:
        return None


def _is_held(fd: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    return False


def _run_in(fd: int, status: os.stat_result, name: str) -> RunName | None:
    if not is_lock_name(name) or not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
        return None
    try:
        found = _decode(os.read(fd, _MAX_BYTES))
        return RunName(
            status.st_uid,
            names.check_scope(found.entity, "entity"),
            names.check_scope(found.project, "project"),
            names.check_scope(found.id, "run id"),
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidRequest):
        return None
