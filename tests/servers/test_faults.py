"""The rules of the fault-injecting proxy: which request meets which fault."""

from __future__ import annotations

import pytest

from servers.faults import Fault, Faults, Rule
from servers.s3_requests import Asked, Operation, read_request


@pytest.mark.parametrize(
    ("request_line", "asked"),
    [
        ("PUT /bucket/a/b%20c", Asked(Operation.PUT, "a/b c")),
        ("PUT /bucket/a?partNumber=12&uploadId=u", Asked(Operation.PART, "a", 12)),
        ("POST /bucket/a?uploads", Asked(Operation.CREATE, "a")),
        ("POST /bucket/a?uploadId=u", Asked(Operation.COMPLETE, "a")),
        ("DELETE /bucket/a?uploadId=u", Asked(Operation.ABORT, "a")),
        ("DELETE /bucket/a", Asked(Operation.DELETE, "a")),
        ("GET /bucket/a", Asked(Operation.GET, "a")),
        ("GET /bucket/a?uploadId=u", Asked(Operation.LIST_PARTS, "a")),
        ("HEAD /bucket/a", Asked(Operation.HEAD, "a")),
        ("GET /bucket?list-type=2&prefix=a", Asked(Operation.LIST, "")),
        ("GET /bucket?uploads&prefix=a", Asked(Operation.LIST_UPLOADS, "")),
        ("PUT /bucket", Asked(Operation.OTHER, "")),
    ],
)
def test_a_request_tells_what_it_asks(request_line: str, asked: Asked) -> None:
    assert read_request(*request_line.split(" ")) == asked


PUT, PART = Asked(Operation.PUT, "team/a"), Asked(Operation.PART, "team/b", 2)


def struck(faults: Faults, asked: Asked, times: int) -> list[bool]:
    return [faults.judge(asked) is not None for _ in range(times)]


def test_a_rule_lets_some_pass_and_strikes_so_often() -> None:
    faults = Faults()
    faults.replace([Rule(Fault.RESET, {Operation.PUT}, after=1, times=2)])
    assert struck(faults, PUT, 5) == [False, True, True, False, False]
    assert struck(faults, PART, 2) == [False, False]


def test_a_rule_can_be_for_one_key_one_part_and_for_ever() -> None:
    faults = Faults()
    faults.replace([Rule(Fault.RESET, {Operation.PART}, times=None, key="b", part=2)])
    assert struck(faults, PART, 3) == [True] * 3
    assert struck(faults, Asked(Operation.PART, "team/b", 1), 1) == [False]
    assert struck(faults, Asked(Operation.PART, "team/c", 2), 1) == [False]


def test_the_first_rule_that_strikes_is_the_only_one() -> None:
    faults = Faults()
    faults.replace([Rule(Fault.RESET, {Operation.PUT}), Rule(Fault.INTERNAL, {Operation.PUT})])
    assert [faults.judge(PUT) for _ in range(3)] == [Fault.RESET, Fault.INTERNAL, None]


def test_the_same_seed_throws_the_same_coins() -> None:
    def play(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.replace([Rule(Fault.RESET, {Operation.PUT}, times=None, probability=0.5)])
        return struck(faults, PUT, 64)

    assert play(1) == play(1) != play(2)
    assert 0 < sum(play(1)) < 64


def test_every_request_is_counted_by_operation_key_and_part() -> None:
    faults = Faults()
    faults.replace([Rule(Fault.RESET, {Operation.PUT})])
    for asked in (PUT, PUT, PART):
        faults.judge(asked)
    assert faults.count(Operation.PUT) == 2
    assert faults.count(Operation.PUT, "a") == 2
    assert faults.count(Operation.PUT, "b") == 0
    assert faults.count(Operation.PART, part=2) == 1
    assert faults.count(Operation.PART, part=1) == 0
    assert [met.asked for met in faults.struck()] == [PUT]
