"""What the kernel says of filesystems: which are shared over a network, and how to sync a whole one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

__all__ = ["boot_id", "is_network_filesystem", "sync_filesystem"]

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "lustre", "gpfs", "beegfs", "afs", "ocfs2", "gfs2", "glusterfs"}
)

_libc = ctypes.CDLL(None, use_errno=True)


def boot_id() -> str:
    """Differs after each boot of the machine; see random(4)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_network_filesystem(dev: int) -> bool:
    """Whether the filesystem of this `st_dev` may be written by another machine; FUSE counts as such."""
    wanted = f"{os.major(dev)}:{os.minor(dev)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            kind = after.split()[0]
            return kind in _NETWORK or kind.startswith("fuse.")
    return False


def sync_filesystem(fd: int) -> None:
    """Write everything of the filesystem that holds `fd` to its disk; see syncfs(2)."""
    if _libc.syncfs(fd) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
