"""What a cell may be, what becomes of its column, and what is refused."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from artifactd.client import InvalidRequest, Table


class Colour(enum.IntEnum):
    RED = 1


def column(*cells: Any, **about: Any) -> Table:
    return Table(columns=["x"], data=[[cell] for cell in cells], **about)


@pytest.mark.parametrize(
    ("cells", "type"),
    [
        ([1, -(2**200)], "integer"),
        ([1, 2.5], "number"),
        ([2.5, 1], "number"),
        (["a", ""], "text"),
        ([True, False], "boolean"),
        ([None, None], "null"),
        ([None, 1], "integer"),
        ([1, None], "integer"),
        ([[1, 2], [], [None]], "list<integer>"),
        ([[], None], "list<null>"),
        ([[[1], [2.5, None]], [[]]], "list<list<number>>"),
        ([[], [["a"]]], "list<list<text>>"),
        ([[[]], [[["deep"]]]], "list<list<list<text>>>"),
    ],
)
def test_the_type_of_a_column_follows_from_its_cells(cells: list[Any], type: str) -> None:
    table = column(*cells)
    assert table.types == {"x": type}
    assert table.get_column("x") == cells


@pytest.mark.parametrize(
    ("first", "second"),
    [(1, "a"), ("a", 1.5), (True, 1), (0, False), (1, [1]), ([1], 1), ([1], ["a"]), ([[1]], [1]), ([], "a")],
)
def test_a_cell_of_another_type_is_refused_by_row_and_column_unless_types_may_mix(first: Any, second: Any) -> None:
    table = Table(columns=["ok", "x"], data=[[0, first]])
    with pytest.raises(InvalidRequest, match=r"row 1, column 'x': .* in a column of .*allow_mixed_types"):
        table.add_data(0, second)
    assert table.data == [[0, first]]
    table.add_data(0, first)
    mixed = column(first, second, first, allow_mixed_types=True)
    assert mixed.get_column("x") == [first, second, first]
    assert "any" in mixed.types["x"]


def test_a_list_of_several_types_is_refused_unless_they_may_mix() -> None:
    with pytest.raises(InvalidRequest, match=r"row 0, column 'x': the list has both integer and text"):
        column([1, "a"])
    assert column([1, "a", [None]], allow_mixed_types=True).types == {"x": "list<any>"}


def test_a_none_is_refused_where_the_column_is_not_optional() -> None:
    table = Table(columns=["a", "b"], data=[[None, 1]], optional=[True, False])
    with pytest.raises(InvalidRequest, match="row 1, column 'b': the column is not optional"):
        table.add_data(1, None)
    with pytest.raises(InvalidRequest, match="not optional"):
        column(None, optional=False)
    with pytest.raises(InvalidRequest, match="optional has 1 items for 2 columns"):
        Table(columns=["a", "b"], optional=[True])


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.int64(7), 7),
        (np.uint8(255), 255),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        (np.arange(3), [0, 1, 2]),
        (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
        (np.array(["a", None], dtype=object), ["a", None]),
        ((1, (2, 3)), [1, [2, 3]]),
        ([np.int8(1), (np.float16(2),)], [1, [2.0]]),
        (Colour.RED, 1),
    ],
)
def test_numpy_values_tuples_and_subclasses_are_taken_for_what_they_hold(value: Any, cell: Any) -> None:
    [found] = column(value, allow_mixed_types=True).get_column("x")
    assert found == cell
    assert type(found) is type(cell)


def itself() -> list[Any]:
    cell: list[Any] = []
    cell.append(cell)
    return cell


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"bytes", "type bytes"),
        (1j, "type complex"),
        ({"a": 1}, "type dict"),
        ({1}, "type set"),
        (object(), "type object"),
        (np.ndarray, "type type"),
        (datetime(2024, 1, 1), "type datetime"),
        (np.datetime64("2024-01-01"), "type datetime64"),
        ([1, [b""]], "type bytes"),
        ("\ud800", "no JSON form"),
        ([10**5000], "no JSON form"),
        (itself(), "nested more than 16 deep"),
    ],
)
def test_a_value_that_no_table_holds_is_refused_by_row_and_column(value: Any, reason: str) -> None:
    table = Table(columns=["ok", "x"], data=[[1, None]], allow_mixed_types=True)
    with pytest.raises(InvalidRequest, match=rf"row 1, column 'x': .*{reason}"):
        table.add_data(1, value)
    assert len(table) == 1


def test_a_row_that_is_larger_than_a_reader_would_take_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"row 0 takes 16777221 bytes as JSON, at most 16777216"):
        column("x" * ((16 << 20) + 1))
