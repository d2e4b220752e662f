"""Filters of runs: what is understood, and that everything else is refused by name, however hostile."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.run_filters import Compare, Every, Field, No, Operator, Some, read

STATE, LR = Field("state"), Field("config", ("lr",))


def equal(field: Field, value: Any) -> Compare:
    return Compare(field, Operator.EQUAL, value)


@pytest.mark.parametrize(
    ("filters", "expression"),
    [
        ({}, Every(())),
        ({"state": "failed"}, Every((equal(STATE, "failed"),))),
        ({"group": None}, Every((equal(Field("group"), None),))),
        ({"jobType": "a", "displayName": "b"}, Every((equal(Field("job_type"), "a"), equal(Field("name"), "b")))),
        (
            {"config.lr": {"$gt": 1, "$lte": 2.5}},
            Every((Every((Compare(LR, Operator.GREATER, 1), Compare(LR, Operator.AT_MOST, 2.5))),)),
        ),
        ({"state": {"$ne": "failed"}}, Every((Every((No(equal(STATE, "failed")),)),))),
        ({"state": {"$in": ["a", None]}}, Every((Every((Some((equal(STATE, "a"), equal(STATE, None))),)),))),
        ({"state": {"$nin": []}}, Every((Every((No(Some(())),)),))),
        ({"config.lr": {"$not": {"$lt": 1}}}, Every((Every((No(Every((Compare(LR, Operator.LESS, 1),))),)),))),
        ({"$or": [{"state": "a"}, {}]}, Every((Some((Every((equal(STATE, "a"),)), Every(()))),))),
        ({"$nor": [{"state": "a"}]}, Every((No(Some((Every((equal(STATE, "a"),)),))),))),
        ({"$and": []}, Every((Every(()),))),
        (
            {"config.a.b c": {"$exists": False}},
            Every((Every((Compare(Field("config", ("a", "b c")), Operator.EXISTS, False),)),)),
        ),
        (
            {"created_at": {"$gte": "2024-01-01"}},
            Every((Every((Compare(Field("started_at"), Operator.AT_LEAST, 1704067200.0),)),)),
        ),
        (
            {"createdAt": {"$lt": "2024-01-01T01:00:00+01:00"}},
            Every((Every((Compare(Field("started_at"), Operator.LESS, 1704067200.0),)),)),
        ),
    ],
)
def test_what_is_understood(filters: dict[str, Any], expression: Every) -> None:
    assert read(json.dumps(filters)) == expression


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ([], "[]"),
        ({"tags": "x"}, "'tags'"),
        ({"config": "x"}, "'config'"),
        ({"config.": 1}, "'config.'"),
        ({"config.a..b": 1}, "'config.a..b'"),
        ({'config.a"b': 1}, "config.a"),
        ({"config." + ".".join("abcdefghijk"): 1}, "config.a.b"),
        ({"summary_metrics.loss": 1}, "summary_metrics"),
        ({"$where": "x"}, "'$where'"),
        ({"display_name": {"$regex": "^a"}}, "'$regex' of 'display_name'"),
        ({"state": {"a": "b"}}, "'a' of 'state'"),
        ({"state": {}}, "'state' without a condition"),
        ({"state": ["finished"]}, "'state'"),
        ({"state": 7}, "'state' with $eq 7"),
        ({"state": {"$gt": "a"}}, "'state' with $gt"),
        ({"config.lr": {"$gt": "a"}}, "'config.lr' with $gt"),
        ({"config.lr": {"$lt": True}}, "'config.lr' with $lt True"),
        ({"config.lr": {"$exists": 1}}, "'config.lr' with $exists 1"),
        ({"config.lr": 1 << 63}, "'config.lr' with $eq"),
        ({"created_at": None}, "'created_at'"),
        ({"created_at": "yesterday"}, "'yesterday' is no time"),
        ({"state": {"$in": "finished"}}, "$in with 'finished'"),
        ({"state": {"$not": "finished"}}, "'$not' of 'state'"),
        ({"$and": {"state": "a"}}, "$and with"),
        ({"$or": ["x"]}, "'x' where fields"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(filters: object, named: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(json.dumps(filters))
    assert named in str(caught.value)


def nested(depth: int) -> str:
    return '{"$and":[' * depth + '{"state":"a"}' + "]}" * depth


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"config.lr": NaN}', "not JSON"),
        ('{"config.lr": 1e999}', "'config.lr' with \\$eq inf"),
        ("[" * 5000 + "]" * 5000, "not JSON|fields and conditions"),
        (nested(9), "nested"),
        ('{"state":' + '{"$not":' * 9 + '{"$eq":"a"}' + "}" * 10, "nested"),
        (json.dumps({"state": {"$in": ["a"] * 201}}), "conditions"),
        (json.dumps({"$or": [{"state": "a"}] * 201}), "conditions"),
        (json.dumps({"state": "a" * (16 << 10)}), "bytes"),
        ('{"config.lr": ' + "1" * 5000 + "}", "not JSON"),
    ],
    ids=range(11),
)
def test_what_is_too_much_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        read(text)


def test_the_limits_are_within_reach() -> None:
    read(nested(7))
    read(json.dumps({"state": {"$in": ["a"] * 200}}))


_keys = (
    st.sampled_from(["$and", "$or", "$not", "$in", "$gt", "$ne", "state", "config.a", "created_at"]) | st.text()
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
)


@given(value=_json | st.dictionaries(_keys, _json, max_size=4))
def test_anything_is_read_or_refused(value: object) -> None:
    with suppress(InvalidRequest):
        assert isinstance(read(json.dumps(value)), Every)
