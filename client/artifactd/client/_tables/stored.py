"""The file that a table is stored as: written row by row, and read back without trusting a byte of it.

    {"_type":"table","format":1,"nrows":2,"columns":["id","label"],"types":["integer","text"],"data":[
    [1,"cat"],
    [2,null]
    ]}

It is JSON as a whole, and so is each row: no reader needs more of it in memory than a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from artifactd.client._tables.cells import Cell, decode, encode, kind_of
from artifactd.client._tables.files import FileRange
from artifactd.client._tables.kinds import Kind, combine, parse
from artifactd.protocol.errors import InvalidRequest

__all__ = ["MAX_LINE", "Column", "Header", "StoredRows", "check_columns", "write_table"]

Column = str | int

MAX_LINE = 16 << 20
"""Bytes of one row, and of the header."""

_FORMAT = 1
_END = b"]}\n"


class Header(NamedTuple):
    """What a stored table says of itself: a kind for each column, and how many rows follow."""

    columns: tuple[Column, ...]
    kinds: tuple[Kind, ...]
    rows: int


def check_columns(columns: Sequence[Any]) -> tuple[Column, ...]:
    """The names of columns: at least one, each once, text or integers. Raises `InvalidRequest`."""
    if isinstance(columns, str) or not columns:
        raise InvalidRequest("a table needs a list of at least one column")
    seen = set()
    for name in columns:
        if type(name) not in (str, int):
            raise InvalidRequest(f"{name!r:.100} is not the name of a column", remedy="use text or integers")
        if name in seen:
            raise InvalidRequest(f"there are two columns {name!r:.100}")
        seen.add(name)
    return tuple(columns)


def write_table(file: IO[bytes], header: Header, lines: Iterator[bytes]) -> None:
    """Write a whole table; `lines` are its encoded rows. Raises `InvalidRequest` for a huge header, `OSError`."""
    file.write(_pack_header(header) + b"\n")
    separator = b""
    for line in lines:
        file.write(separator + line)
        separator = b",\n"
    file.write(b"\n" + _END if separator else _END)


def _pack_header(header: Header) -> bytes:
    about = {
        "_type": "table",
        "format": _FORMAT,
        "nrows": header.rows,
        "columns": header.columns,
        "types": [str(kind) for kind in header.kinds],
        "data": [],
    }
    try:
        packed = json.dumps(about, ensure_ascii=False, separators=(",", ":")).removesuffix("]}").encode()
    except ValueError as error:
        raise InvalidRequest(f"the name of a column has no JSON form: {error}") from error
    if len(packed) > MAX_LINE:
        raise InvalidRequest(f"the columns take {len(packed)} bytes as JSON, at most {MAX_LINE} are allowed")
    return packed


class StoredRows:
    """The rows of a stored table. `subject` names it in errors.

    Making one reads the header; rows are read and checked one by one. Both raise `InvalidRequest` where the
    file is not what the format promises.
    """

    def __init__(self, file: FileRange, subject: str) -> None:
        self._file = file
        self._subject = subject
        line = file.reader().readline(MAX_LINE + 1)
        self._start = len(line)
        try:
            self.header = _read_header(line)
            if self.header.rows > file.size:
                raise ValueError(f"it announces {self.header.rows} rows in {file.size} bytes")
        except (ValueError, RecursionError) as error:
            raise self._unreadable("its first line is not the header of a table", error) from error

    def __len__(self) -> int:
        return self.header.rows

    def lines(self) -> Iterator[bytes]:
        return map(encode, self.rows())

    def rows(self) -> Iterator[list[Cell]]:
        reader = self._file.reader(self._start)
        last = self.header.rows - 1
        for number in range(self.header.rows):
            line = reader.readline(MAX_LINE + 2)
            try:
                row = _read_row(line, self.header, b"\n" if number == last else b",\n")
            except (ValueError, RecursionError) as error:
                raise self._unreadable(f"row {number}", error) from error
            yield row
        if reader.read(len(_END) + 1) != _END:
            raise self._unreadable("its end", f"there is more than the {self.header.rows} rows of its header")

    def _unreadable(self, where: str, why: object) -> InvalidRequest:
        return InvalidRequest(f"the stored table cannot be read: {where}: {why}", subject=self._subject)


def _read_header(line: bytes) -> Header:
    if not line.endswith(b"\n"):
        raise ValueError("it is cut off or too long")
    about = json.loads(line.rstrip(b"\n") + _END)
    if not isinstance(about, dict) or about.get("_type") != "table":
        raise ValueError("it does not say that this is a table")
    if about.get("format") != _FORMAT:
        raise ValueError(f"format {about.get('format')!r:.20} is unknown, a newer release may know it")
    columns, types, count, rows = (about.get(key) for key in ("columns", "types", "nrows", "data"))
    if not isinstance(columns, list) or not isinstance(types, list) or len(columns) != len(types):
        raise ValueError("it does not give a type to each column")
    if type(count) is not int or count < 0 or rows != []:
        raise ValueError("it does not say how many rows follow")
    return Header(check_columns(columns), tuple(map(parse, types)), count)


def _read_row(line: bytes, header: Header, end: bytes) -> list[Cell]:
    if not line.endswith(end):
        raise ValueError("it is cut off, too long, or not on one line")
    row = decode(line[: -len(end)])
    if not isinstance(row, list) or len(row) != len(header.columns):
        raise ValueError(f"it is not a list of {len(header.columns)} cells")
    for column, declared, cell in zip(header.columns, header.kinds, row, strict=True):
        kind = kind_of(cell, allow_mixed=True)
        if combine(declared, kind) != declared:
            raise ValueError(f"column {column!r} of {declared} has {kind}")
    return row
