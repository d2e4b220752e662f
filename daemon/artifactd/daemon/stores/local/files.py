"""Durable files: temporary names, syncs and renames, all blocking, for the worker threads of the local store."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["descriptor", "make_directories", "sync_all", "walk"]

_FEW = 16
"""Up to so many files are synced one by one; beyond, one `syncfs` is cheaper even if others write as well."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def descriptor(path: Path, flags: int) -> Iterator[int]:
    """Open `path` for the length of the context."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def sync_all(paths: Iterable[Path]) -> None:
    """Make the contents of files, or the entries of directories, of one filesystem survive a loss of power."""
    chosen = list(paths)
    if len(chosen) > _FEW:
        with descriptor(chosen[0], os.O_RDONLY) as fd:
            if _libc.syncfs(fd):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
        return
    for path in chosen:
        with descriptor(path, os.O_RDONLY) as fd:
            os.fsync(fd)


def make_directories(path: Path) -> list[Path]:
    """Create `path` and its parents; return the directories whose entries changed."""
    changed = []
    for directory in [*reversed(path.parents), path]:
        if not directory.exists():
            directory.mkdir(exist_ok=True)
            changed.append(directory.parent)
    return changed


def walk(directory: Path, key: str, prefix: str) -> Iterator[tuple[str, int]]:
    """Key and size of the files below `directory` whose key starts with `prefix`, in the order of keys.

    `key` is the directory's own key with its slash. Files that vanish meanwhile are left out.
    """
    try:
        with os.scandir(directory) as scan:
            entries = [(entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in scan]
    except FileNotFoundError:
        return
    # With its slash, a directory sorts among its siblings as the keys below it do.
    for name, entry in sorted(entries, key=lambda item: item[0]):
        below = key + name
        if name.endswith("/"):
            if below.startswith(prefix) or prefix.startswith(below):
                yield from walk(directory / entry.name, below, prefix)
        elif below.startswith(prefix):
            try:
                yield below, entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
