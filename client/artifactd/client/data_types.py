"""The objects that an artifact stores besides files: `artifact.add(obj, name)`, `artifact.get(name)`."""

from __future__ import annotations

from artifactd.client._tables.partitioned import PartitionedTable
from artifactd.client._tables.table import Table

__all__ = ["PartitionedTable", "Table"]
