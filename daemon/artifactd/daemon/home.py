"""The daemon's home: made, checked and locked before anything in it is opened."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artifactd.daemon.queue.filesystems import is_network_filesystem

__all__ = ["CannotStart", "identity", "locked", "prepare"]


class CannotStart(Exception):
    """Why this daemon must not run here, and what to do."""


def prepare(home: Path) -> Path:
    """Make the home's directories, for their owner only; return the spool. Raises `CannotStart`."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_network_filesystem(home.stat().st_dev):
            raise CannotStart(
                f"{home} is on a network filesystem: two nodes would share one journal; use a local disk"
            )
        for name in ("spool", "cache", "runs"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"{home}: cannot be used as the daemon's home: {error.strerror}") from error
    return home / "spool"


def identity(home: Path) -> str:
    """The name by which the daemons of this home are one and the same in a catalog; made once."""
    path = home / "daemon-id"
    try:
        if not path.exists():
            # Whole or not at all: half of a name would be another one after the next start.
            temporary = path.with_suffix(".new")
            temporary.write_text(os.urandom(16).hex())
            temporary.rename(path)
        return path.read_text()
    except OSError as error:
        raise CannotStart(f"{path}: cannot be made or read: {error.strerror}") from error


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on `path`, which the kernel frees however this process ends."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(f"another artifactd already serves {what}") from error
        yield
    finally:
        os.close(fd)
