"""Tables to and from pandas and Arrow. Skipped, and reported as such, where these are not installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from artifactd.client import InvalidRequest, Table

COLUMNS = ["n", "x", "text", "flag", "list"]
ROWS: list[list[Any]] = [[1, 0.5, "a", True, [1, 2]], [2, 1.5, "b", False, []], [3, 2.5, "", True, [3]]]


@pytest.fixture
def pd() -> Any:
    return pytest.importorskip("pandas", reason="pandas is not installed: nothing about DataFrames was tested")


@pytest.fixture
def pa() -> Any:
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed: nothing about Arrow was tested")


def test_a_dataframe_comes_back(pd: Any) -> None:
    frame = pd.DataFrame.from_records(ROWS, columns=COLUMNS)
    for table in (Table(dataframe=frame), Table(data=frame), Table.from_pandas(frame), Table(COLUMNS, frame)):
        assert table.data == ROWS
        pd.testing.assert_frame_equal(table.get_dataframe(), frame)
    assert Table(columns=["text", "n"], dataframe=frame).data == [["a", 1], ["b", 2], ["", 3]]
    with pytest.raises(InvalidRequest, match="no column 'm'"):
        Table(columns=["m"], dataframe=frame)


def test_a_frame_of_an_array_has_numbered_columns(pd: Any) -> None:
    table = Table(dataframe=pd.DataFrame(np.eye(2)))
    assert table.columns == [0, 1]
    assert table.get_column(1) == [0.0, 1.0]


def test_missing_values_are_none_but_for_nan_among_floats(pd: Any) -> None:
    frame = pd.DataFrame(
        {
            "float": [0.5, float("nan")],
            "text": ["a", None],
            "object": ["a", float("nan")],
            "nullable": pd.array([1, None], dtype="Int64"),
            "reals": pd.array([0.5, None], dtype="Float64"),
            "category": pd.Categorical(["a", None]),
        }
    )
    first, second = Table(dataframe=frame).data
    assert first == [0.5, "a", "a", 1, 0.5, "a"]
    assert math.isnan(second[0])
    assert second[1:] == [None] * 5


def test_a_frame_of_many_rows_keeps_their_order(pd: Any) -> None:
    frame = pd.DataFrame({"n": range(25_000)}, index=range(25_000, 0, -1))
    table = Table(dataframe=frame)
    assert table.get_column("n") == list(range(25_000))
    assert table.to_pandas()["n"].tolist() == list(range(25_000))


def test_a_frames_dates_are_refused_by_row_and_column(pd: Any) -> None:
    frame = pd.DataFrame({"a": [1], "when": pd.to_datetime(["2024-01-01"])})
    with pytest.raises(InvalidRequest, match="row 0, column 'when': a value of type Timestamp"):
        Table(dataframe=frame)


def test_an_empty_table_makes_an_empty_frame(pd: Any) -> None:
    frame = Table(columns=["a", "b"]).to_pandas()
    assert (list(frame.columns), len(frame)) == (["a", "b"], 0)
    assert Table(dataframe=frame) == Table(columns=["a", "b"])


def test_an_arrow_table_comes_back_with_its_types(pa: Any) -> None:
    rows = [*ROWS, [None] * 5]
    table = Table(columns=COLUMNS, data=rows)
    arrow = table.to_arrow()
    assert arrow.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.list_(pa.int64())]
    assert Table.from_arrow(arrow).data == rows
    assert Table.from_arrow(arrow.to_batches()[0]).data == rows


def test_many_rows_and_none_at_all_make_arrow_tables(pa: Any) -> None:
    table = Table(columns=["n", "x"], data=[[n, n / 2 if n else 1] for n in range(25_000)])
    assert table.to_arrow().column("x").to_pylist()[:3] == [1.0, 0.5, 1.0]
    assert Table.from_arrow(table.to_arrow()).get_column("n") == list(range(25_000))
    empty = Table(columns=["a"]).to_arrow()
    assert (empty.num_rows, empty.schema.types) == (0, [pa.null()])
    assert Table.from_arrow(empty) == Table(columns=["a"])


def test_what_arrow_cannot_hold_is_refused(pa: Any) -> None:
    with pytest.raises(InvalidRequest, match="Arrow has no mixed types, as of column 'a'"):
        Table(columns=["a"], data=[[1], ["x"]], allow_mixed_types=True).to_arrow()
    with pytest.raises(InvalidRequest, match="rows 0 to 1 do not fit Arrow"):
        Table(columns=["a"], data=[[1], [2**64]]).to_arrow()
    with pytest.raises(InvalidRequest, match="row 0, column 'b': a value of type bytes"):
        Table.from_arrow(pa.table({"b": [b"x"]}))


@pytest.mark.parametrize(("call", "package"), [("to_pandas", "pandas"), ("to_arrow", "pyarrow")])
def test_a_package_that_is_missing_is_named(call: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=f"this needs {package}, which is not installed"):
        getattr(Table(columns=["a"], data=[[1]]), call)()
