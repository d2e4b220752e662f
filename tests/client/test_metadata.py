"""What becomes of metadata and configs on the way to JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import numpy
import pytest

from artifactd.client import InvalidRequest
from artifactd.client._metadata import pack_json

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (numpy.float32(0.5), 0.5),
        (numpy.int64(2**62), 2**62),
        (numpy.bool_(True), True),
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (numpy.array(["a"]), ["a"]),
        (numpy.datetime64("2026-01-02T12:00"), "2026-01-02T12:00:00"),
        (NOON, "2026-01-02T12:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        ((1, (NOON,)), [1, ["2026-01-02T12:00:00+00:00"]]),
        (10**4299, 10**4299),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_numbers_arrays_and_times_are_kept_as_json_has_them(value: object, kept: object) -> None:
    assert json.loads(pack_json({"value": value}, "metadata")) == {"value": kept}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (numpy.float64("nan"), r"config\['value'\] is nan"),
        (numpy.zeros(1 << 20), r"config\['value'\] is an array of 8,388,608 bytes"),
        (numpy.array([b"a"]), r"config\['value'\]\[0\] is of type bytes"),
        ([10**4300], r"config\['value'\]\[0\] has more than 4,300 digits"),
    ],
    ids=["nan", "large", "bytes", "digits"],
)
def test_what_json_would_lose_is_refused_by_its_place(value: object, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        pack_json({"value": value}, "config")
