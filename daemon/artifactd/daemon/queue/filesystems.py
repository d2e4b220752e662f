"""What the kernel says of filesystems: which are shared over a network, and how to sync a whole one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from artifactd.daemon.mounts import filesystem_of, is_network_kind

__all__ = ["boot_id", "is_network_filesystem", "sync_filesystem"]

_libc = ctypes.CDLL(None, use_errno=True)


def boot_id() -> str:
    """Differs after each boot of the machine; see random(4)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_network_filesystem(dev: int) -> bool:
    """Whether the filesystem of this `st_dev` may be written by another machine; FUSE counts as such."""
    return is_network_kind(filesystem_of(dev))


def sync_filesystem(fd: int) -> None:
    """Write everything of the filesystem that holds `fd` to its disk; see syncfs(2)."""
    if _libc.syncfs(fd) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
