"""The file of a table: what was written comes back, it is JSON, and nothing in it is believed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifactd.client import InvalidRequest, Table
from tables.support import stored, written

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
SCALARS = [st.integers(), st.floats(), TEXT, st.booleans()]


def nested(cells: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(cells, st.lists(cells | st.none()), st.lists(st.lists(cells) | st.none()))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str | int], list[list[Any]], bool]:
    columns = draw(st.lists(TEXT | st.integers(), min_size=1, max_size=4, unique=True))
    mixed = draw(st.booleans())
    if mixed:
        cells = [nested(st.one_of(*SCALARS))] * len(columns)
    else:
        shapes = st.sampled_from([lambda cells: cells, st.lists, lambda cells: st.lists(st.lists(cells))])
        cells = [draw(shapes)(draw(st.sampled_from(SCALARS))) | st.none() for _ in columns]
    rows = draw(st.lists(st.tuples(*cells).map(list), max_size=6))
    return columns, rows, mixed


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, 0.0 from -0.0, and knows NaN."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and repr(one) == repr(other)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tables())
def test_every_cell_comes_back_as_it_was(
    tmp_path: Path, made: tuple[list[str | int], list[list[Any]], bool]
) -> None:
    columns, rows, mixed = made
    table = Table(columns=columns, data=rows, allow_mixed_types=mixed)
    path = written(table, tmp_path / "t")
    found = stored(path)
    assert same(table.data, rows)
    assert same(found.data, rows)
    assert (found.columns, found.types, len(found)) == (columns, table.types, len(rows))
    assert found == table
    assert written(found, tmp_path / "again").read_bytes() == path.read_bytes()
    assert json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)["columns"] == columns


def test_the_file_is_what_the_page_says(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    table = Table(columns=["id", "label", "loss"], data=[[1, "cat", [0.5, nan]], [2**70, "né\n", [inf, -inf]]])
    assert written(table, tmp_path / "t").read_text("utf-8") == (
        '{"_type":"table","format":1,"nrows":2,"columns":["id","label","loss"],'
        '"types":["integer","text","list<number>"],"data":[\n'
        '[1,"cat",[0.5,{"float":"nan"}]],\n'
        '[1180591620717411303424,"né\\n",[{"float":"inf"},{"float":"-inf"}]]\n'
        "]}\n"
    )
    empty = written(Table(columns=["a"]), tmp_path / "e").read_text("utf-8")
    assert empty == '{"_type":"table","format":1,"nrows":0,"columns":["a"],"types":["null"],"data":[\n]}\n'


def test_a_stored_table_that_is_added_to_leaves_its_file_alone(tmp_path: Path) -> None:
    path = written(Table(["a", "b"], [[1, 0.5], [2, None]]), tmp_path / "t")
    before = path.read_bytes()
    table = stored(path)
    reader = table.iterrows()
    table.add_data(3, 1)
    with pytest.raises(InvalidRequest, match="row 3, column 'a': text in a column of integer"):
        table.add_data("x", 1)
    table.add_column("c", ["x", "y", "z"])
    assert table.data == [[1, 0.5, "x"], [2, None, "y"], [3, 1, "z"]]
    assert list(reader) == [(0, [1, 0.5]), (1, [2, None])]
    assert path.read_bytes() == before


def test_a_mixed_column_stays_mixed_when_it_was_stored(tmp_path: Path) -> None:
    table = stored(written(Table(["a"], [[1], ["x"]], allow_mixed_types=True), tmp_path / "t"))
    table.add_data([1, "x"])
    table.add_column("b", [1, 2, 3])
    assert table.data == [[1, 1], ["x", 2], [[1, "x"], 3]]


HEADER = '{"_type":"table","format":1,"nrows":2,"columns":["a","b"],"types":["integer","text"],"data":['
ROWS = '[1,"x"],\n[2,null]\n]}\n'


def test_the_file_that_the_damaged_ones_are_made_of_is_read(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_text(f"{HEADER}\n{ROWS}")
    assert stored(tmp_path / "damaged").data == [[1, "x"], [2, None]]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "[[[",
        "[" * 1_000_000,
        '{"a":' * 1_000_000,
        '{"columns":["a"],"data":[["x"]],"ncols":1,"nrows":1}',
        HEADER.replace('"table"', '"wheel"'),
        HEADER.replace('"format":1', '"format":2'),
        HEADER.replace('"nrows":2', '"nrows":-1'),
        HEADER.replace('"nrows":2', '"nrows":true'),
        HEADER.replace('"nrows":2', '"nrows":2.0'),
        HEADER.replace('"nrows":2', '"nrows":"2"'),
        HEADER.replace('"nrows":2', '"nrows":' + "9" * 5_000),
        HEADER.replace('"nrows":2', '"nrows":' + "9" * 30),
        HEADER.replace('["a","b"]', '"ab"'),
        HEADER.replace('["a","b"]', '{"a":1,"b":2}'),
        HEADER.replace('["a","b"]', '["a"]'),
        HEADER.replace('["a","b"]', '["a","a"]'),
        HEADER.replace('["a","b"]', '["a",null]'),
        HEADER.replace('["a","b"]', '["a",["b"]]'),
        HEADER.replace('"text"', '"picture"'),
        HEADER.replace('"text"', '"list<text"'),
        HEADER.replace('"text"', '["text"]'),
        HEADER.replace('"text"', '"' + "list<" * 17 + "text" + ">" * 17 + '"'),
        HEADER.replace('"data":[', '"data":[1,'),
        HEADER + " " * (17 << 20),
        HEADER.replace('"a"', '"\\x00\xff"'),
    ],
    ids=range(26),
)
def test_a_file_without_a_proper_header_is_refused_at_once(header: str, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(f"{header}\n{ROWS}".encode("latin-1"))
    with pytest.raises(
        InvalidRequest, match=r"^damaged: the stored table cannot be read: its first line"
    ) as caught:
        stored(tmp_path / "damaged")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ("", "row 0"),
        ('[1,"x"]\n]}\n', "row 0"),
        ('[1,"x"],\n', "row 1"),
        ('[1,"x"],\n[2,nul', "row 1"),
        ('[1,"x"],\n[2,null],\n[3,null]\n]}\n', "row 1"),
        ('[1,"x"],\n[2,null]\n', "its end"),
        ('[1,"x"],\n[2,null]\n]}\nmore', "its end"),
        ("[1],\n[2,null]\n]}\n", "row 0"),
        ('[1,"x",3],\n[2,null]\n]}\n', "row 0"),
        ('{"a":1,"b":"x"},\n[2,null]\n]}\n', "row 0"),
        ("7,\n[2,null]\n]}\n", "row 0"),
        ('["1","x"],\n[2,null]\n]}\n', "row 0: column 'a' of integer has text"),
        ('[1.5,"x"],\n[2,null]\n]}\n', "row 0: column 'a' of integer has number"),
        ('[true,"x"],\n[2,null]\n]}\n', "row 0: column 'a' of integer has boolean"),
        ('[1,["x"]],\n[2,null]\n]}\n', r"row 0: column 'b' of text has list<text>"),
        ('[1,{"b":"x"}],\n[2,null]\n]}\n', "row 0"),
        ('[1,{"float":"nan","x":1}],\n[2,null]\n]}\n', "row 0"),
        ('[1,{"float":[]}],\n[2,null]\n]}\n', "row 0"),
        ('[NaN,"x"],\n[2,null]\n]}\n', "row 0"),
        ('[1,"\xff"],\n[2,null]\n]}\n', "row 0"),
        ("[1," + "[" * 17 + "]" * 17 + "],\n[2,null]\n]}\n", "row 0: lists are nested"),
        ("[1," + "[" * 1_000_000 + ",\n", "row 0"),
        ("[1," + '{"float":' * 1_000_000 + ",\n", "row 0"),
        ("[" + "9" * 5_000 + ',"x"],\n[2,null]\n]}\n', "row 0"),
        ('[1,"' + "x" * (17 << 20) + '"],\n[2,null]\n]}\n', "row 0: it is cut off, too long"),
        ('[1,"x"],[2,null]\n]}\n', "row 0"),
    ],
    ids=range(26),
)
def test_a_damaged_or_hostile_row_is_refused_when_it_is_read(rows: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(f"{HEADER}\n{rows}".encode("latin-1"))
    table = stored(tmp_path / "damaged")
    with pytest.raises(InvalidRequest, match=rf"^damaged: the stored table cannot be read: {where}") as caught:
        list(table.iterrows())
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "cell", ["NaN", "-Infinity", '{"float":"nan","x":1}', '{"float":"1"}', '{"float":[]}', "{}"]
)
def test_only_the_documented_forms_stand_for_numbers_that_json_lacks(cell: str, tmp_path: Path) -> None:
    header = HEADER.replace("integer", "number")
    (tmp_path / "damaged").write_text(f'{header}\n[{{"float":"inf"}},"x"],\n[{cell},"x"]\n]}}\n')
    rows = stored(tmp_path / "damaged").iterrows()
    assert next(rows) == (0, [math.inf, "x"])
    with pytest.raises(InvalidRequest, match="row 1: "):
        next(rows)
