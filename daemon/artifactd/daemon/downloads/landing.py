"""Files that appear whole in a directory that a client made, or not at all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["exists", "new_file"]


@asynccontextmanager
async def new_file(directory: int, name: str) -> AsyncIterator[int]:
    """A new file that becomes `name` only when the block ends well."""
    part = f".{name}.{os.urandom(4).hex()}"
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        yield fd
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=directory)
        raise
    finally:
        os.close(fd)


def exists(directory: int, name: str) -> bool:
    """Whether a file of that name is in the directory: one look that does not wait."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
