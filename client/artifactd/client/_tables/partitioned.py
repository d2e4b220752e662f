"""`PartitionedTable`: many stored tables with the same columns, read as one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from artifactd.client._tables.cells import Cell
from artifactd.client._tables.files import FileRange
from artifactd.client._tables.near import near
from artifactd.client._tables.stored import Column
from artifactd.client._tables.table import Table
from artifactd.protocol.errors import ArtifactNotLoggedError, EntryNotFound, InvalidRequest
from artifactd.protocol.names import normalise_entry_path

if TYPE_CHECKING:
    from artifactd.client._entry import Entry

__all__ = ["PartitionedTable"]

_FORMAT = 1
_MAX_BYTES = 64 << 10


class PartitionedTable:
    """All tables stored below the directory `parts_path` of an artifact, as one.

    The parts may be added before or after it, by anyone who adds to the artifact. Rows can be read from what
    `artifact.get` returns; that raises `EntryNotFound` where no table is below the directory.

    >>> draft["parts/1"] = artifactd.Table(["id"], [[1]])
    >>> draft["parts/2"] = artifactd.Table(["id"], [[2], [3]])
    >>> draft["all"] = artifactd.data_types.PartitionedTable("parts")
    >>> [row for index, row in draft.get("all").iterrows()]
    [[1], [2], [3]]
    """

    SUFFIX = ".partitioned-table.json"

    def __init__(self, parts_path: str) -> None:
        """Raises `InvalidRequest` for a path that no entry can have."""
        self._parts_path = normalise_entry_path(parts_path)
        self._parts: Sequence[Entry] = ()
        self._open: Callable[[Entry], Table] | None = None

    @classmethod
    def _stored(cls, file: FileRange, subject: str) -> PartitionedTable:
        """What `_write` wrote. Raises `InvalidRequest` for anything else."""
        try:
            if file.size > _MAX_BYTES:
                raise ValueError(f"it has {file.size} bytes, at most {_MAX_BYTES} are read")
            about = json.loads(file.reader().read())
            if not isinstance(about, dict) or about.get("_type") != "partitioned-table":
                raise ValueError("it does not say that this is a partitioned table")
            if about.get("format") != _FORMAT:
                raise ValueError(f"format {about.get('format')!r:.20} is unknown, a newer release may know it")
            return cls(about.get("parts_path", ""))
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"the partitioned table cannot be read: {error}", subject=subject) from error

    def __repr__(self) -> str:
        return f"<PartitionedTable of {self._parts_path}>"

    def __eq__(self, other: object) -> bool:
        """Whether both are of the same directory.

        >>> artifactd.data_types.PartitionedTable("parts") == artifactd.data_types.PartitionedTable("parts/")
        True
        """
        return isinstance(other, PartitionedTable) and self._parts_path == other._parts_path

    @property
    def parts_path(self) -> str:
        """The directory of the artifact whose tables are the parts."""
        return self._parts_path

    @property
    def columns(self) -> list[Column]:
        """Of the first part."""
        return next(self.parts()).columns

    def parts(self) -> Iterator[Table]:
        """Each part, by the order of paths, fetched when it is its turn.

        Raises `ArtifactNotLoggedError` unless it came from `artifact.get`, and what `artifact.get` raises.

        >>> draft["parts/1"] = artifactd.Table(["id"], [[1]])
        >>> draft["parts/2"] = artifactd.Table(["id"], [[2], [3]])
        >>> draft["all"] = artifactd.data_types.PartitionedTable("parts")
        >>> [len(part) for part in draft.get("all").parts()]
        [1, 2]
        """
        if self._open is None:
            raise ArtifactNotLoggedError(
                "the parts are known only to what artifact.get returns", subject=self._parts_path
            )
        return map(self._open, self._parts)

    def iterrows(self) -> Iterator[tuple[int, list[Cell]]]:
        """Each row of each part, numbered from 0 over all of them; one part is open at a time.

        Raises `InvalidRequest` where a part is damaged or its columns are not those of the first.

        >>> draft["parts/1"] = artifactd.Table(["id"], [[1]])
        >>> draft["parts/2"] = artifactd.Table(["id"], [[2], [3]])
        >>> draft["all"] = artifactd.data_types.PartitionedTable("parts")
        >>> for index, row in draft.get("all").iterrows():
        ...     print(index, row)
        0 [1]
        1 [2]
        2 [3]
        """
        return enumerate(self._rows(self.parts()))

    def _rows(self, parts: Iterator[Table]) -> Iterator[list[Cell]]:
        columns: list[Column] | None = None
        for entry, part in zip(self._parts, parts, strict=True):
            columns = part.columns if columns is None else columns
            if part.columns != columns:
                raise InvalidRequest(
                    f"its columns are {part.columns}, those of the first part {columns}", subject=entry.path
                )
            for _, row in part.iterrows():
                yield row

    def _bind(self, tables: Sequence[Entry], open: Callable[[Entry], Table], subject: str) -> None:
        """Give it the tables of its artifact, in the order of paths, and how to open one.

        Raises `EntryNotFound` if none is a part: the directory is more likely mistyped than empty.
        """
        self._parts = [entry for entry in tables if entry.path.startswith(f"{self._parts_path}/")]
        if not self._parts:
            folders = {entry.path.rpartition("/")[0] for entry in tables}
            raise EntryNotFound(
                f"there is no table below {self._parts_path!r}{near(self._parts_path, folders)}", subject=subject
            )
        self._open = open

    def _write(self, file: IO[bytes]) -> None:
        about = {"_type": "partitioned-table", "format": _FORMAT, "parts_path": self._parts_path}
        file.write(json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
