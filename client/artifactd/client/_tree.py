"""Comparing a directory with a version, and making it equal."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from artifactd.client._target import Target
from artifactd.protocol.errors import VerificationFailed
from artifactd.protocol.manifest import Entry

__all__ = ["prune", "verify"]

_NAMED = 20
"""So many paths of each kind are named in an error."""


def prune(root: str, paths: Iterable[str]) -> None:
    """Delete everything below the directory `root` but the files at `paths` and the directories they need.

    Links are deleted, never followed. `root` may be missing.
    """
    if not os.path.isdir(root):
        return
    kept = set(paths)
    directories = _parents(kept)
    for found in _walk(root):
        if found.is_directory:
            if found.path not in directories:
                os.rmdir(found.name, dir_fd=found.parent)
        elif found.path not in kept:
            os.unlink(found.name, dir_fd=found.parent)


def verify(root: str, entries: Iterable[Entry]) -> None:
    """Raise `VerificationFailed` unless the directory `root` holds the files of `entries` and no others."""
    present = {found.path for found in _walk(root) if not found.is_directory} if os.path.isdir(root) else set()
    missing: list[str] = []
    differing: list[str] = []
    if present:
        with Target(root) as target:
            for entry in entries:
                if entry.path not in present:
                    missing.append(entry.path)
                else:
                    present.remove(entry.path)
                    if not target.has(entry):
                        differing.append(entry.path)
    else:
        missing.extend(entry.path for entry in entries)
    problems = {"missing": missing, "differs": differing, "extra": sorted(present)}
    if said := [_say(what, paths) for what, paths in problems.items() if paths]:
        raise VerificationFailed(
            "; ".join(said), subject=root, remedy="download() brings what is missing, checkout() removes the rest"
        )


def _say(what: str, paths: list[str]) -> str:
    named = ", ".join(repr(path) for path in paths[:_NAMED])
    more = len(paths) - _NAMED
    return f"{what}: {named}" + (f" and {more} more" if more > 0 else "")


def _parents(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


class _Found(NamedTuple):
    """Something below a directory: a path relative to that, and a name in the open directory `parent`."""

    path: str
    name: str
    parent: int
    is_directory: bool


def _walk(root: str) -> Iterator[_Found]:
    """Everything below `root`, what a directory holds before the directory; links count as files."""
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for directory, directories, files, parent in os.fwalk(".", topdown=False, dir_fd=top):
            prefix = directory.removeprefix(".").removeprefix("/")
            for name in files:
                yield _Found(os.path.join(prefix, name), name, parent, False)
            for name in directories:
                mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
                yield _Found(os.path.join(prefix, name), name, parent, stat.S_ISDIR(mode))
    finally:
        os.close(top)
