"""A table in the making, as those who know W&B use it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import artifactd.client as wandb
from artifactd.client import ColumnNotFound, InvalidRequest, Table


def test_columns_and_data_come_back_in_their_order() -> None:
    table = wandb.Table(columns=["id", "label"], data=[[1, "cat"], [2, "dog"]])
    table.add_data(3, None)
    table.add_row(4, "owl")
    assert (len(table), table.columns) == (4, ["id", "label"])
    assert table.data == [[1, "cat"], [2, "dog"], [3, None], [4, "owl"]]
    assert list(table.iterrows()) == list(enumerate(table.data))
    assert table.get_column("label") == ["cat", "dog", None, "owl"]


def test_rows_may_be_of_any_kind() -> None:
    assert Table(["a", "b"], np.array([[1.0, 2.0], [3.0, 4.0]])).data == [[1.0, 2.0], [3.0, 4.0]]
    assert Table(["a", "b"], ((n, str(n)) for n in range(2))).data == [[0, "0"], [1, "1"]]
    assert Table(["a"], rows=[[1]]).data == [[1]]
    assert Table().columns == ["Input", "Output", "Expected"]


@pytest.mark.parametrize("row", [[], [1], [1, 2, 3]])
def test_a_row_of_another_length_is_refused(row: list[int]) -> None:
    with pytest.raises(InvalidRequest, match=rf"row 1 has {len(row)} cells for 2 columns"):
        Table(columns=["a", "b"], data=[[1, 2], row])


@pytest.mark.parametrize("row", ["ab", b"ab", {"a": 1, "b": 2}, {1, 2}, 7, None])
def test_what_is_no_row_is_refused(row: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"row 0 is .*, not a list of cells"):
        Table(columns=["a", "b"], data=[row])


@pytest.mark.parametrize("columns", [[], "ab", ["a", "a"], ["a", 1.5], ["a", None], [True], [1, 1]])
def test_columns_that_could_not_be_told_apart_are_refused(columns: Any) -> None:
    with pytest.raises(InvalidRequest, match="column"):
        Table(columns=columns)


def test_only_one_source_of_rows_is_taken() -> None:
    with pytest.raises(InvalidRequest, match="one of data, rows and dataframe"):
        Table(["a"], data=[[1]], rows=[[2]])


def test_an_unknown_column_names_those_like_it() -> None:
    with pytest.raises(ColumnNotFound, match="no column 'lable'; did you mean 'label'"):
        Table(columns=["label", "score"]).get_column("lable")


def test_a_column_as_a_numpy_array() -> None:
    array = Table(["a"], [[1.5], [2.5]]).get_column("a", convert_to="numpy")
    assert array.dtype == np.float64
    assert array.tolist() == [1.5, 2.5]


def test_a_column_can_be_added_for_all_rows_at_once() -> None:
    table = Table(["a"], [[1], [2]])
    table.add_column("b", np.array([0.5, 1.5]))
    table.add_data(3, 2.5)
    assert table.types == {"a": "integer", "b": "number"}
    assert table.data == [[1, 0.5], [2, 1.5], [3, 2.5]]
    with pytest.raises(InvalidRequest, match="column 'c' has 2 cells for 3 rows"):
        table.add_column("c", [1, 2])
    with pytest.raises(InvalidRequest, match="two columns 'a'"):
        table.add_column("a", [1, 2, 3])
    assert table.columns == ["a", "b"]


def test_equal_tables_have_the_same_columns_and_cells() -> None:
    table = Table(["a"], [[float("nan")], [1.0]])
    assert table == Table(["a"], [[float("nan")], [1.0]])
    assert table != Table(["b"], [[float("nan")], [1.0]])
    assert table != Table(["a"], [[float("nan")], [1]])
    assert table != Table(["a"], [[float("nan")]])
    assert table != [[1.0]]


def test_rows_returned_are_nobody_elses() -> None:
    table = Table(["a"], [[[1, 2]]])
    table.data[0][0].append(3)
    next(table.iterrows())[1].clear()
    assert table.data == [[[1, 2]]]


def test_reading_sees_the_rows_there_were_when_it_began_also_on_disk() -> None:
    table = Table(["text"])
    reader = table.iterrows()
    for number in range(40):
        table.add_data(f"{number:03} " + "x" * 100_000)
    assert list(reader) == []
    one, other = table.iterrows(), table.iterrows()
    table.add_data("later")
    for number in range(40):
        assert next(one)[1][0].startswith(f"{number:03} ")
        if number % 2:
            next(other)
    assert next(one, None) is None
    assert next(other)[0] == 20
    assert table.data[-1] == ["later"]


def test_rows_of_many_threads_are_all_there_also_while_they_go_to_disk() -> None:
    table = Table(["thread", "n", "text"])

    def add(thread: int) -> None:
        for n in range(200):
            table.add_data(thread, n, "x" * 50_000)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = table.data
    assert len(table) == len(rows) == 800
    for thread in range(4):
        assert [n for owner, n, _ in rows if owner == thread] == list(range(200))


def test_a_forked_child_reads_its_parents_table_but_must_not_add_to_it() -> None:
    table = Table(["text"], [["x" * 1_000_000] for _ in range(3)])

    def child(outcome: Any) -> None:
        try:
            table.add_data("mine")
        except InvalidRequest as error:
            outcome.send((str(error), len(table.data)))

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    theirs.close()
    error, rows = ours.recv()
    process.join()
    assert "begun before this process was forked" in error
    assert rows == len(table.data) == 3


MILLION = r"""
import re, sys
from artifactd.client import Table

def peak():  # getrusage would begin with the peak of the process that started this one
    return int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) << 10

table = Table(columns=["id", "label", "scores"], data=[[0, "warm", [0.5]]])
with open(sys.argv[1], "wb") as file:
    table._write(file)
before = peak()
for number in range(int(sys.argv[2])):
    table.add_data(number, f"label {number}", [number * 0.37, None])
with open(sys.argv[1], "wb") as file:
    table._write(file)
print(peak() - before, len(table))
"""


def test_many_rows_take_little_memory_to_write(tmp_path: Any) -> None:
    rows, path = 250_000, tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", MILLION, path, str(rows)], check=True, capture_output=True, text=True
    )
    growth, count = map(int, done.stdout.split())
    assert count == rows + 1
    assert os.stat(path).st_size > 8 << 20
    assert growth < 4 << 20


def test_a_program_that_uses_tables_of_plain_values_imports_neither_numpy_nor_pandas() -> None:
    code = (
        "import sys, artifactd.client as wandb\n"
        "wandb.data_types.PartitionedTable('parts')\n"
        "wandb.Table(columns=['a'], data=[[1]]).data\n"
        "print(sorted({'numpy', 'pandas', 'pyarrow'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
