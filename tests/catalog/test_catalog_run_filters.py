"""Filters against real rows, and against the same rules in plain Python."""

from __future__ import annotations

import json
import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, update

from artifactd.daemon.catalog import Catalog
from artifactd.daemon.catalog.connecting import parse
from artifactd.daemon.catalog.schema import runs
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.messages import FinishRun, GetRuns, RunRecord, StartRun
from artifactd.protocol.run_filters import Compare, Every, Expression, No, Operator, Some, read

TEAM = {"entity": "team", "project": "vision"}
CONFIGS: dict[str, dict[str, Any]] = {
    "a": {"lr": 0.1, "optimizer": {"name": "adam", "warm up": 5}, "amp": True},
    "b": {"lr": 1, "optimizer": {"name": "sgd"}, "amp": False, "naïve": "ja"},
    "c": {"lr": "0.1", "layers": [1, 2], "amp": 1, "note": None},
    "d": {},
}


def start(catalog: Catalog, id: str, **fields: Any) -> None:
    catalog.start_run(1, StartRun(id=id, name=fields.pop("name", id), **TEAM, **fields))


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    for id, config in CONFIGS.items():
        group = "g" if id in "ac" else None
        start(
            catalog,
            id,
            job_type="train" if id in "ab" else "eval",
            group=group,
            config=json.dumps(config, ensure_ascii=False),
        )
    catalog.finish_run(1, FinishRun(id="a", state="failed", **TEAM))
    catalog.start_run(1, StartRun(id="z", entity="team", project="elsewhere", name="z"))
    return catalog


def found(catalog: Catalog, filters: object) -> str:
    return "".join(run.id for run in catalog.runs(GetRuns(**TEAM, filter=json.dumps(filters))).items)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, "abcd"),
        ({"job_type": "train"}, "ab"),
        ({"jobType": "train", "group": "g"}, "a"),
        ({"state": "running"}, "bcd"),
        ({"display_name": "c", "state": "failed"}, ""),
        ({"group": None}, "bd"),
        ({"group": {"$ne": "g"}}, "bd"),
        ({"group": {"$exists": True}}, "ac"),
        ({"group": {"$nin": ["g", "h"]}}, "bd"),
        ({"name": {"$in": ["a", "d", "x"]}}, "ad"),
        ({"name": {"$in": []}}, ""),
        ({"$or": [{"state": "failed"}, {"name": "d"}]}, "ad"),
        ({"$nor": [{"state": "failed"}, {"name": "d"}]}, "bc"),
        ({"$and": [{"job_type": "eval"}, {"$or": [{"name": "a"}, {"name": "c"}]}]}, "c"),
        ({"config.lr": 0.1}, "a"),
        ({"config.lr": "0.1"}, "c"),
        ({"config.lr": 1.0}, "b"),
        ({"config.lr": {"$gt": 0.05, "$lt": 1}}, "a"),
        ({"config.lr": {"$not": {"$lt": 1}}}, "bcd"),
        ({"config.lr": {"$ne": 0.1}}, "bcd"),
        ({"config.amp": True}, "a"),
        ({"config.amp": 1}, "c"),
        ({"config.amp": False}, "b"),
        ({"config.note": None}, "abcd"),
        ({"config.note": {"$exists": True}}, "c"),
        ({"config.layers": {"$exists": True}}, "c"),
        ({"config.layers": "[1,2]"}, ""),
        ({"config.optimizer.name": "adam"}, "a"),
        ({"config.optimizer.warm up": {"$gte": 5}}, "a"),
        ({"config.naïve": "ja"}, "b"),
        ({"config.optimizer": None}, "cd"),
        ({"created_at": {"$lt": "2000-01-01"}}, ""),
        ({"created_at": {"$gte": 0, "$lt": "2999-01-01T00:00:00Z"}}, "abcd"),
        ({"config.' OR 1=1 --": "x"}, ""),
    ],
)
def test_filters_find(filled: Catalog, filters: object, ids: str) -> None:
    assert found(filled, filters) == ids


def test_a_filtered_list_is_paged_and_counted(filled: Catalog) -> None:
    text = json.dumps({"state": "running"})
    first = filled.runs(GetRuns(**TEAM, filter=text, limit=2))
    assert ([run.id for run in first.items], first.more, first.total) == (["b", "c"], True, 3)
    last = first.items[-1]
    second = filled.runs(GetRuns(**TEAM, filter=text, limit=2, after=(last.started_at, last.id)))
    assert ([run.id for run in second.items], second.more) == (["d"], False)


def test_what_is_not_supported_is_refused_by_the_catalog_too(filled: Catalog) -> None:
    for text in ("", "{", '{"state": {"$regex": "(a+)+"}}', '{"uid": 1}'):
        with pytest.raises(InvalidRequest):
            filled.runs(GetRuns(**TEAM, filter=text))


@pytest.mark.parametrize("catalog_url", ["sqlite"], indirect=True)
def test_a_config_that_is_no_json_from_before_they_were_checked_hides_only_its_own_run(
    filled: Catalog, catalog_url: str
) -> None:
    engine = create_engine(parse(catalog_url))
    with engine.begin() as connection:
        connection.execute(update(runs).where(runs.c.id == "b").values(config="{broken"))
    engine.dispose()
    assert found(filled, {"config.lr": {"$gt": 0}}) == "a"


@pytest.mark.parametrize(
    "odd",
    [
        r'"\u0000"',
        r'"\ud800"',
        r'"\udc00\ud800"',
        r'"\\u0000"',
        r'"\\ud800\udc00"',
        "1e999999",
        "-1e-999999",
        "9" * 5000,
    ],
)
def test_a_value_that_the_database_cannot_read_hides_only_its_own_run(filled: Catalog, odd: str) -> None:
    start(filled, "e", config=f'{{"lr": {odd}}}')
    assert found(filled, {"config.lr": 0.1}) == "a"
    assert found(filled, {"config.lr": "0.1"}) == "c"
    assert found(filled, {"config.lr": {"$exists": True}}) == "abce"


def test_a_text_is_found_however_its_characters_are_escaped(filled: Catalog) -> None:
    start(filled, "e", config=json.dumps({"note": "naïve 😀"}, ensure_ascii=True))
    start(filled, "f", config=json.dumps({"note": "naïve 😀"}, ensure_ascii=False))
    assert found(filled, {"config.note": "naïve 😀"}) == "ef"


# The same rules once more, with no database.

_ORDERS = {
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
}
_NOTHING = object()


def holds(expression: Expression, run: RunRecord) -> bool:
    match expression:
        case Every(parts):
            return all(holds(part, run) for part in parts)
        case Some(parts):
            return any(holds(part, run) for part in parts)
        case No(part):
            return not holds(part, run)
        case Compare(field, how, value):
            return compare(seen(run, field.column, field.path), how, value)


def seen(run: RunRecord, column: str, path: tuple[str, ...]) -> Any:
    if column != "config":
        known = getattr(run, column)
        return _NOTHING if known is None else known
    value: Any = json.loads(run.config)
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return _NOTHING
        value = value[key]
    return value


def compare(found: Any, how: Operator, value: Any) -> bool:
    if how is Operator.EXISTS:
        return (found is not _NOTHING) == value
    if value is None:
        return found is _NOTHING or found is None
    if isinstance(value, bool) or isinstance(found, bool):
        return found is value
    if how is Operator.EQUAL:
        return bool(found == value)
    return isinstance(found, int | float) and bool(_ORDERS[how](found, value))


_numbers = st.sampled_from([0, 0.1, 1, 5])
_config_values = _numbers | st.sampled_from(["0.1", "adam", True, False, None])
_config = st.sampled_from(["lr", "optimizer", "optimizer.name", "amp", "note", "layers", "lr.x"]).map(
    "config.{}".format
)
_labels = st.sampled_from(["train", "g", "a", None])
_texts = st.sampled_from(["job_type", "group", "name", "state"])


def _operators(values: Any, orders: Any) -> Any:
    lists = st.lists(values, max_size=3)
    choices = [
        st.tuples(st.sampled_from(["$eq", "$ne"]), values),
        st.tuples(st.sampled_from(["$in", "$nin"]), lists),
    ]
    if orders is not None:
        choices.append(st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), orders))
    choices.append(st.tuples(st.just("$exists"), st.booleans()))
    flat = st.lists(st.one_of(choices), min_size=1, max_size=2).map(dict)
    return values | flat | flat.map(lambda inner: {"$not": inner})


_conditions = st.one_of(
    st.tuples(_config, _operators(_config_values, _numbers)), st.tuples(_texts, _operators(_labels, None))
)
_filters = st.recursive(
    st.lists(_conditions, max_size=2).map(dict),
    lambda inner: st.tuples(st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, max_size=3)).map(
        lambda pair: dict([pair])
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=_filters)
def test_filters_agree_with_plain_rules(filled: Catalog, filters: dict[str, Any]) -> None:
    everything = filled.runs(GetRuns(**TEAM)).items
    expression = read(json.dumps(filters))
    assert found(filled, filters) == "".join(run.id for run in everything if holds(expression, run))
