"""Tables as entries of an artifact: put in under their suffix, and got out again."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING

from artifactd.client._tables.files import FileRange
from artifactd.client._tables.near import near
from artifactd.client._tables.partitioned import PartitionedTable
from artifactd.client._tables.table import Table
from artifactd.protocol.errors import EntryNotFound, InvalidRequest
from artifactd.protocol.names import normalise_entry_path

if TYPE_CHECKING:
    from artifactd.client._entry import Entry
    from artifactd.client.artifact import Artifact

__all__ = ["add", "get"]


def add(artifact: Artifact, obj: Table | PartitionedTable, name: str, overwrite: bool) -> Entry:
    """See `Artifact.add`."""
    if not isinstance(obj, (Table, PartitionedTable)):
        raise InvalidRequest(
            f"a {type(obj).__name__} is not a Table or PartitionedTable",
            remedy="add files with add_file or new_file",
        )
    path = normalise_entry_path(name).removesuffix(obj.SUFFIX) + obj.SUFFIX
    with NamedTemporaryFile(prefix="artifactd-", suffix=obj.SUFFIX) as file:
        obj._write(file)
        file.flush()
        return artifact.add_file(file.name, path, overwrite=overwrite)


def get(artifact: Artifact, name: str) -> Table | PartitionedTable:
    """See `Artifact.get`."""
    wanted = normalise_entry_path(name)
    entries = artifact.entries
    table = entries.get(wanted.removesuffix(Table.SUFFIX) + Table.SUFFIX)
    if table is not None:
        return _table(artifact, table)
    partitioned = entries.get(wanted.removesuffix(PartitionedTable.SUFFIX) + PartitionedTable.SUFFIX)
    if partitioned is None:
        raise _not_found(artifact, wanted, entries)
    found = PartitionedTable._stored(_content(artifact, partitioned), partitioned.path)
    tables = [entry for entry in entries.values() if entry.path.endswith(Table.SUFFIX)]
    found._bind(tables, partial(_table, artifact), partitioned.path)
    return found


def _table(artifact: Artifact, entry: Entry) -> Table:
    return Table._stored(_content(artifact, entry), entry.path)


def _content(artifact: Artifact, entry: Entry) -> FileRange:
    drafted = artifact._open_drafted(entry.path)
    if drafted is not None:
        return FileRange(*drafted)
    with TemporaryDirectory(prefix="artifactd-") as root:
        fd = os.open(entry.download(root), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    return FileRange(fd, 0, entry.size)


def _not_found(artifact: Artifact, name: str, paths: Collection[str]) -> EntryNotFound:
    if name in paths:
        return EntryNotFound(f"{name!r} is a file, not a table", subject=artifact.name, remedy="download it")
    suffixes = (Table.SUFFIX, PartitionedTable.SUFFIX)
    names = {path.removesuffix(suffix) for suffix in suffixes for path in paths if path.endswith(suffix)}
    return EntryNotFound(f"the artifact has no table {name!r}{near(name, names)}", subject=artifact.name)
