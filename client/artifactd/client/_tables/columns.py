"""The columns of a table in the making: what a row must be to fit, and what it makes of their types. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from artifactd.client._tables.cells import Cell, MixedList, Unstorable, encode, kind_of, plain
from artifactd.client._tables.kinds import NULL, Kind, combine, mixed
from artifactd.client._tables.stored import MAX_LINE, Column, check_columns
from artifactd.protocol.errors import InvalidRequest

__all__ = ["Columns", "listed"]

_MIX = "pass allow_mixed_types=True to Table"


class Columns:
    """Names, and by the same order the kinds of the cells so far and whether None is among what may come."""

    def __init__(self, names: Sequence[Any], optional: bool | Sequence[bool], allow_mixed: bool) -> None:
        """Raises `InvalidRequest` for names that `check_columns` refuses."""
        self.names: tuple[Column, ...] = check_columns(names)
        self.kinds: tuple[Kind, ...] = (NULL,) * len(self.names)
        self.optional = [optional] * len(self.names) if isinstance(optional, bool) else list(optional)
        if len(self.optional) != len(self.names):
            raise InvalidRequest(f"optional has {len(self.optional)} items for {len(self.names)} columns")
        self._mixed = allow_mixed

    @property
    def allow_mixed(self) -> bool:
        """Whether types may mix: because the table allows it, or did when it was stored."""
        return self._mixed or any(kind.base == "any" for kind in self.kinds)

    def fit(self, row: Any, number: int) -> tuple[bytes, tuple[Kind, ...]]:
        """The encoded row, and the kinds of the columns once they have it; nothing is changed.

        `number` is the row's, for errors. Raises `InvalidRequest`, naming it and the column.
        """
        cells = self._cells(row, number)
        kinds = tuple(self._widened(index, cell, number) for index, cell in enumerate(cells))
        return self._encode(cells, number), kinds

    def _cells(self, row: Any, number: int) -> list[Cell]:
        if isinstance(row, (str, bytes, Mapping, Set)) or not isinstance(row, Iterable):
            raise InvalidRequest(f"row {number} is {type(row).__name__}, not a list of cells")
        cells = listed(row)
        if len(cells) != len(self.names):
            raise InvalidRequest(f"row {number} has {len(cells)} cells for {len(self.names)} columns")
        for index, cell in enumerate(cells):
            try:
                cells[index] = plain(cell)
            except Unstorable as error:
                raise self._misfit(number, index, error, "convert it to text, numbers or lists of them") from error
        return cells

    def _widened(self, index: int, cell: Cell, number: int) -> Kind:
        known = self.kinds[index]
        if cell is None and not self.optional[index]:
            raise self._misfit(number, index, "the column is not optional but the cell is None", "give a value")
        try:
            kind = kind_of(cell, allow_mixed=self._mixed or known.base == "any")
        except MixedList as error:
            raise self._misfit(number, index, error, _MIX) from error
        wider = mixed(known, kind) if self._mixed else combine(known, kind)
        if wider is None:
            raise self._misfit(number, index, f"{kind} in a column of {known}", f"convert it, or {_MIX}")
        return wider

    def _encode(self, cells: list[Cell], number: int) -> bytes:
        try:
            line = encode(cells)
        except ValueError as error:
            index = next(index for index, cell in enumerate(cells) if not _is_encodable(cell))
            raise self._misfit(number, index, f"no JSON form: {error}") from error
        if len(line) > MAX_LINE:
            raise InvalidRequest(f"row {number} takes {len(line)} bytes as JSON, at most {MAX_LINE} are allowed")
        return line

    def _misfit(self, number: int, index: int, reason: object, remedy: str = "") -> InvalidRequest:
        return InvalidRequest(f"row {number}, column {self.names[index]!r}: {reason}", remedy=remedy)


def listed(values: Any) -> list[Any]:
    """A new list of what an iterable or an array holds."""
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _is_encodable(cell: Cell) -> bool:
    try:
        encode([cell])
    except ValueError:
        return False
    return True
