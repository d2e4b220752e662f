"""`Table`: named, typed columns and any number of rows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Literal

from artifactd.client._arguments import wrong
from artifactd.client._tables import frames
from artifactd.client._tables.cells import Cell
from artifactd.client._tables.columns import Columns, listed
from artifactd.client._tables.files import FileRange
from artifactd.client._tables.near import near
from artifactd.client._tables.rows import Rows, RowSpool
from artifactd.client._tables.stored import Column, Header, StoredRows, write_table
from artifactd.protocol.errors import ColumnNotFound, InvalidRequest

__all__ = ["Table"]

_DEFAULT_COLUMNS = ("Input", "Output", "Expected")


class Table:
    """Rows of typed columns, to be stored in an artifact: `artifact.add(table, "predictions")`.

    A cell is None, a bool, an int, a float, a str, or a list of cells; numpy's and torch's values and tuples
    are taken for what they hold. A column's type follows from its cells: a cell of another type is refused
    unless `allow_mixed_types`, and None unless the column is `optional` (one bool for all, or one for each).

    Rows are kept on disk once they are more than a megabyte, so a table may have many more than memory holds.
    Adding and beginning to read are safe from several threads.

    >>> table = artifactd.Table(columns=["id", "label", "scores"])
    >>> table.add_data(1, "cat", [0.9, 0.1])
    >>> table.types
    {'id': 'integer', 'label': 'text', 'scores': 'list<number>'}
    """

    SUFFIX = ".table.json"

    def __init__(
        self,
        columns: Sequence[Column] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        *,
        optional: bool | Sequence[bool] = True,
        allow_mixed_types: bool = False,
    ) -> None:
        """`data` (or `rows`): an iterable of rows, a numpy array, or, like `dataframe`, a pandas DataFrame.

        Without `columns`, those of the frame, else `Input`, `Output` and `Expected`. Raises `InvalidRequest`
        (a `ValueError`) for columns and cells that the rules refuse, naming row and column.
        """
        given = [source for source in (data, rows, dataframe) if source is not None]
        if len(given) > 1:
            raise InvalidRequest("a table is made from one of data, rows and dataframe")
        source = given[0] if given else ()
        if frames.is_frame(source):
            columns = frames.frame_columns(source) if columns is None else columns
            source = frames.frame_rows(source, columns)
        if not isinstance(source, Iterable):
            raise wrong("data", "rows", source)
        self._columns = Columns(_DEFAULT_COLUMNS if columns is None else columns, optional, allow_mixed_types)
        self._rows: Rows = RowSpool()
        self._lock = threading.RLock()
        for row in source:
            self._append(row)

    @classmethod
    def from_pandas(cls, dataframe: Any) -> Table:
        """The columns and rows of a DataFrame, without its index. See `docs/tables.md` for missing values.

        >>> import pandas
        >>> artifactd.Table.from_pandas(pandas.DataFrame({"id": [1, 2]})).data
        [[1], [2]]
        """
        return cls(dataframe=dataframe)

    @classmethod
    def from_arrow(cls, table: Any) -> Table:
        """The columns and rows of a `pyarrow.Table` or `RecordBatch`.

        >>> import pyarrow
        >>> artifactd.Table.from_arrow(pyarrow.table({"id": [1, 2]})).columns
        ['id']
        """
        return cls(columns=table.column_names, data=frames.arrow_rows(table))

    @classmethod
    def _stored(cls, file: FileRange, subject: str) -> Table:
        """A table that was written by `_write`; its rows are read when they are asked for."""
        stored = StoredRows(file, subject)
        table = cls(stored.header.columns)
        table._columns.kinds, table._rows = stored.header.kinds, stored
        return table

    def __repr__(self) -> str:
        return f"<Table of {len(self.columns)} columns and {len(self)} rows>"

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same columns and cells; NaN equals NaN, 1 and 1.0 differ.

        >>> artifactd.Table(["id"], [[1]]) == artifactd.Table(["id"], [[1]])
        True
        """
        if not isinstance(other, Table):
            return NotImplemented
        if self.columns != other.columns or len(self) != len(other):
            return False
        return all(one == another for one, another in zip(self._lines(), other._lines(), strict=True))

    @property
    def columns(self) -> list[Column]:
        """The names of the columns, in their order."""
        return list(self._columns.names)

    @property
    def types(self) -> dict[Column, str]:
        """Each column's type: `integer`, `number`, `text`, `boolean`, `list<…>`, `null`, or `any` if mixed."""
        return {column: str(kind) for column, kind in zip(self._columns.names, self._columns.kinds, strict=True)}

    @property
    def data(self) -> list[list[Cell]]:
        """Every row, all in memory, read anew each time: `iterrows` is for tables of any size."""
        return list(self._read())

    def iterrows(self) -> Iterator[tuple[int, list[Cell]]]:
        """Each row with its index, from 0; read from disk as it goes. Rows added meanwhile are left out.

        Raises `InvalidRequest` where the file of a stored table is damaged.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> for index, row in table.iterrows():
        ...     print(index, row)
        0 [1, 'cat']
        1 [2, 'dog']
        """
        return enumerate(self._read())

    def get_column(self, name: Column, convert_to: Literal["numpy"] | None = None) -> Any:
        """The cells of one column as a list, or as a numpy array. Raises `ColumnNotFound`, a `KeyError`, naming
        near matches.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> table.get_column("label")
        ['cat', 'dog']
        """
        names = self._columns.names
        if name not in names:
            raise ColumnNotFound(f"the table has no column {name!r}{near(str(name), map(str, names))}")
        index = names.index(name)
        cells = [row[index] for row in self._read()]
        return frames.to_array(cells) if convert_to == "numpy" else cells

    def get_index(self) -> list[int]:
        """The rows' indices, from 0, as `iterrows` gives them.

        >>> artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]]).get_index()
        [0, 1]
        """
        return list(range(len(self)))

    def add_data(self, *data: Any) -> None:
        """Add one row: a cell for each column. Raises `InvalidRequest`, and adds nothing then.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> table.add_data(3, "fox")
        >>> len(table)
        3
        """
        self._append(data)

    def add_row(self, *row: Any) -> None:
        """`add_data` under its old name.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> table.add_row(3, "fox")
        >>> len(table)
        3
        """
        self._append(row)

    def add_column(self, name: Column, data: Iterable[Any]) -> None:
        """Add a column with a cell for each row; all rows are written anew. Raises `InvalidRequest`.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> table.add_column("score", [0.5, 0.25])
        >>> table.data
        [[1, 'cat', 0.5], [2, 'dog', 0.25]]
        """
        with self._lock:
            cells = listed(data)
            if len(cells) != len(self):
                raise InvalidRequest(f"column {name!r} has {len(cells)} cells for {len(self)} rows")
            grown = Table(
                [*self._columns.names, name],
                ([*row, cell] for row, cell in zip(self._read(), cells, strict=True)),
                optional=[*self._columns.optional, True],
                allow_mixed_types=self._columns.allow_mixed,
            )
            self._columns, self._rows = grown._columns, grown._rows

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of all rows. Raises `ModuleNotFoundError` where pandas is not installed.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> table.to_pandas().shape
        (2, 2)
        """
        return frames.to_pandas(self.columns, self._read(), len(self))

    def get_dataframe(self) -> Any:
        """`to_pandas` as W&B calls it.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> list(table.get_dataframe().columns)
        ['id', 'label']
        """
        return self.to_pandas()

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` of all rows, integers as int64 and numbers as float64.

        Raises `InvalidRequest` for mixed columns and for integers that do not fit, `ModuleNotFoundError`.

        >>> table = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> table.to_arrow().num_rows
        2
        """
        return frames.to_arrow(self.columns, self._columns.kinds, self._read())

    def _read(self) -> Iterator[list[Cell]]:
        with self._lock:
            return self._rows.rows()

    def _lines(self) -> Iterator[bytes]:
        with self._lock:
            return self._rows.lines()

    def _write(self, file: IO[bytes]) -> None:
        """Write the table as it is now, in the form of `docs/tables.md`."""
        with self._lock:
            header = Header(self._columns.names, self._columns.kinds, len(self))
            lines = self._lines()
        write_table(file, header, lines)

    def _append(self, row: Any) -> None:
        with self._lock:
            line, kinds = self._columns.fit(row, len(self))
            if not isinstance(self._rows, RowSpool):
                self._rows = _copied(self._rows)
            self._rows.append(line)
            self._columns.kinds = kinds


def _copied(rows: Rows) -> RowSpool:
    spool = RowSpool()
    for line in rows.lines():
        spool.append(line)
    return spool
