"""Which kind of filesystem a directory lies on, as the kernel says."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["filesystem_of", "is_network_kind"]

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "lustre", "gpfs", "beegfs", "afs", "ocfs2", "gfs2", "glusterfs"}
)


def filesystem_of(dev: int) -> str:
    """The kind of the filesystem with this `st_dev`, such as `ext4`; "" if it is not among our mounts."""
    wanted = f"{os.major(dev)}:{os.minor(dev)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return ""


def is_network_kind(kind: str) -> bool:
    """Whether another machine may write to such a filesystem; FUSE counts as such."""
    return kind in _NETWORK or kind.startswith("fuse.")
