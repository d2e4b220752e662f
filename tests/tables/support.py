"""Tables as files: written and read without an artifact."""

from __future__ import annotations

import os
from pathlib import Path

from artifactd.client import Table
from artifactd.client._tables.files import FileRange

__all__ = ["stored", "written"]


def written(table: Table, path: Path) -> Path:
    """The file that `table` is stored as."""
    with path.open("wb") as file:
        table._write(file)
    return path


def stored(path: Path) -> Table:
    """The table in a file."""
    return Table._stored(FileRange(os.open(path, os.O_RDONLY), 0, path.stat().st_size), path.name)
