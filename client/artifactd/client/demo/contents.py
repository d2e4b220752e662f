"""What bytes there are: in one file, below one directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

__all__ = ["blob_bytes", "digest_of", "digests_below", "files_below"]


def digest_of(path: Path) -> str:
    """BLAKE3 of the file's bytes, as hex."""
    return blake3(path.read_bytes()).hexdigest()


def files_below(root: Path, *, without: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Every regular file below `root`, leaving out directories of these names."""
    for directory, children, names in os.walk(root):
        children[:] = sorted(set(children) - without)
        yield from (path for path in map(Path(directory).joinpath, sorted(names)) if path.is_file())


def digests_below(root: Path) -> dict[str, str]:
    """The digest of every file, by its path relative to `root`."""
    return {path.relative_to(root).as_posix(): digest_of(path) for path in files_below(root)}


def blob_bytes(store: Path) -> int:
    """The sizes of all blobs in a store together. The records beside them are written in their own time."""
    return sum(path.stat().st_size for blobs in store.glob("*/blobs") for path in files_below(blobs))
