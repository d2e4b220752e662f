"""Finding the files below a directory."""

from __future__ import annotations

import os
from typing import NamedTuple

from artifactd.protocol.errors import Denied, InvalidRequest
from artifactd.protocol.names import check_new_entry_path

__all__ = ["Found", "find_files"]


class Found(NamedTuple):
    """A file: its path inside the artifact, its real path, and what the directory says of it."""

    path: str
    file: str
    entry: os.DirEntry[str]


def find_files(directory: str, prefix: str) -> list[Found]:
    """Every file below `directory`, following links, with its entry path below `prefix` ("" or `name/`).

    Raises `InvalidRequest` for what is not a directory, a link that leads nowhere or back to a directory
    above it, anything but regular files, and names that no artifact can hold.
    """
    if not os.path.isdir(directory):
        raise InvalidRequest("not a directory", subject=directory)
    found: list[Found] = []
    pending = [(os.path.realpath(directory), prefix, frozenset[tuple[int, int]]())]
    while pending:
        path, below, above = pending.pop()
        try:
            status = os.stat(path)
            here = (status.st_dev, status.st_ino)
            if here in above:
                raise InvalidRequest("the link leads back to a directory above it", subject=path)
            with os.scandir(path) as entries:
                for entry in entries:
                    name = below + entry.name
                    real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                    if entry.is_file():
                        found.append(Found(check_new_entry_path(name), real, entry))
                    elif entry.is_dir():
                        pending.append((real, f"{name}/", above | {here}))
                    else:
                        raise _neither(entry)
        except PermissionError as error:
            raise Denied("the directory may not be read", subject=path) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InvalidRequest("not a directory", subject=path) from error
        except OSError as error:
            raise InvalidRequest(f"cannot be read: {error.strerror}", subject=error.filename or path) from error
    return found


def _neither(entry: os.DirEntry[str]) -> InvalidRequest:
    if entry.is_symlink() and not os.path.exists(entry.path):
        return InvalidRequest(f"the link leads nowhere: {os.readlink(entry.path)!r}", subject=entry.path)
    return InvalidRequest("not a regular file", subject=entry.path, remedy="only files can be stored")
