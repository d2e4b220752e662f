"""To and from numpy, pandas and Arrow, each imported only when a table is turned into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

from artifactd.client._tables.cells import Cell
from artifactd.client._tables.columns import listed
from artifactd.client._tables.kinds import Kind
from artifactd.protocol.errors import InvalidRequest

__all__ = [
    "arrow_rows",
    "frame_columns",
    "frame_rows",
    "is_frame",
    "to_array",
    "to_arrow",
    "to_pandas",
]

_CHUNK = 10_000
"""Rows converted at once."""


def is_frame(source: object) -> bool:
    """Whether it is a DataFrame."""
    return hasattr(source, "itertuples") and hasattr(source, "iloc")


def frame_columns(frame: Any) -> list[Any]:
    return listed(frame.columns)


def frame_rows(frame: Any, columns: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a DataFrame, of the columns named. What is missing is None, except NaN among floats."""
    missing = set(columns) - set(frame_columns(frame))
    if missing:
        raise InvalidRequest(f"the DataFrame has no column {missing.pop()!r}")
    for start in range(0, len(frame), _CHUNK):
        part = frame.iloc[start : start + _CHUNK]
        yield from zip(*(_cells(part[column]) for column in columns), strict=True)


def _cells(series: Any) -> list[Any]:
    cells = listed(series)
    # Only numpy's own float dtypes mean NaN by NaN; all others say so where nothing is.
    if getattr(series.dtype, "kind", "") == "f" and not hasattr(series.dtype, "na_value"):
        return cells
    return [None if gone else cell for cell, gone in zip(cells, listed(series.isna()), strict=True)]


def arrow_rows(table: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a `pyarrow.Table` or `RecordBatch`."""
    for start in range(0, table.num_rows, _CHUNK):
        part = table.slice(start, _CHUNK)
        yield from zip(*(column.to_pylist() for column in part.columns), strict=True)


def to_array(cells: list[Cell]) -> Any:
    return _imported("numpy").array(cells)


def to_pandas(columns: Sequence[str | int], rows: Iterable[list[Cell]], count: int) -> Any:
    frame = _imported("pandas").DataFrame
    return frame.from_records(iter(rows), columns=list(columns), nrows=count)


def to_arrow(columns: Sequence[str | int], kinds: Sequence[Kind], rows: Iterator[list[Cell]]) -> Any:
    arrow = _imported("pyarrow")
    types = [_arrow_type(arrow, column, kind) for column, kind in zip(columns, kinds, strict=True)]
    schema = arrow.schema([(str(column), type) for column, type in zip(columns, types, strict=True)])
    batches = []
    first = 0
    while chunk := list(islice(rows, _CHUNK)):
        try:
            arrays = [
                arrow.array(cells, type) for cells, type in zip(zip(*chunk, strict=True), types, strict=True)
            ]
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidRequest(f"rows {first} to {first + len(chunk) - 1} do not fit Arrow: {error}") from error
        batches.append(arrow.record_batch(arrays, schema=schema))
        first += len(chunk)
    return arrow.Table.from_batches(batches, schema)


def _arrow_type(arrow: Any, column: str | int, kind: Kind) -> Any:
    if kind.base == "any":
        raise InvalidRequest(f"Arrow has no mixed types, as of column {column!r}")
    type = {
        "null": arrow.null,
        "boolean": arrow.bool_,
        "integer": arrow.int64,
        "number": arrow.float64,
        "text": arrow.string,
    }[kind.base]()
    for _ in range(kind.depth):
        type = arrow.list_(type)
    return type


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"this needs {name}, which is not installed: pip install {name}", name=name
        ) from error
