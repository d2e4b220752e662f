"""References of a committed version, on their way into a directory."""

from __future__ import annotations

import os

from artifactd.client._references import local_path
from artifactd.client._snapshot import open_regular
from artifactd.client._target import Target, digest_of_file
from artifactd.protocol.errors import Denied, InvalidRequest, ReferenceChanged
from artifactd.protocol.manifest import DIGEST_ALGORITHM, Entry
from artifactd.protocol.references import is_fetched, scheme_of

__all__ = ["comes", "copy_local", "is_certain", "is_local"]


def comes(entry: Entry) -> bool:
    """Whether a download brings the entry: all but references of unknown schemes."""
    return entry.reference is None or is_fetched(entry.reference.uri)


def is_local(entry: Entry) -> bool:
    """Whether the entry refers to a file, which we read ourselves."""
    return entry.reference is not None and scheme_of(entry.reference.uri) == "file"


def is_certain(entry: Entry) -> bool:
    """Whether a file can be seen to be the entry's; else only its size is known, and it is fetched again."""
    return entry.digest.startswith(f"{DIGEST_ALGORITHM}:")


def copy_local(entry: Entry, target: Target) -> None:
    """Put a copy of the file that `entry` refers to in its place. Raises `ReferenceChanged`."""
    assert entry.reference is not None
    path = local_path(entry.reference.uri)
    try:
        source, status = open_regular(path)
    except (InvalidRequest, Denied) as error:
        raise _changed(entry, path, error.message) from error
    try:
        if not target.put(entry, source):
            found = f"{status.st_size} bytes with the digest {digest_of_file(source)}"
            raise _changed(entry, path, found)
    finally:
        os.close(source)


def _changed(entry: Entry, path: str, found: str) -> ReferenceChanged:
    recorded = f"{entry.size} bytes" + (f" with the digest {entry.digest}" if entry.digest else "")
    return ReferenceChanged(
        f"{path} has changed: the version recorded {recorded}, now it has {found}",
        subject=entry.path,
        remedy="bring the old contents back, or log the reference again as a new version",
    )
