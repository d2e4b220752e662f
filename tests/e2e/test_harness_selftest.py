"""The harness of the kill tests catches the bugs that it is there for: each is planted, and must be found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from artifactd.daemon.crashpoints import Point
from harness.campaign import kill_at, kill_at_random
from harness.clients import Workload
from harness.contents import Shape
from harness.daemon import DaemonProcess
from harness.ledger import Call
from harness.mischief import Bug
from harness.verify import Found, Kind, judge, verify

SEED = 4
KILLS = 4
WORKLOAD = Workload(collections=("model",), shapes=(Shape.MULTIPART, *(Shape.TINY,) * 9), pause=0.1, seed=SEED)


@pytest.mark.parametrize(
    ("bug", "point", "broken"),
    [
        (Bug.EARLY_ACK, None, Kind.LOST),
        pytest.param(Bug.NO_IDEMPOTENCY, Point.AFTER_COMMIT, Kind.DUPLICATE, marks=pytest.mark.long),
        (Bug.NO_SEQUENCER, None, Kind.INVERTED),
        pytest.param(Bug.EARLY_CLEANUP, Point.BEFORE_COMMIT, Kind.LOST, marks=pytest.mark.long),
    ],
)
def test_a_planted_bug_is_caught(
    bug: Bug, point: Point | None, broken: Kind, daemon: DaemonProcess, tmp_path: Path
) -> None:
    if point is None:
        calls, _ = kill_at_random(daemon, WORKLOAD, tmp_path, KILLS, random.Random(SEED), bug)
    else:
        calls = kill_at(daemon, point, WORKLOAD, tmp_path / "ledger", kills=KILLS, bug=bug)
    assert broken in {violation.kind for violation in verify(daemon, calls)}


def call(
    number: int, *, client: str = "a", began: int = 0, accepted: bool = True, error: str | None = None
) -> Call:
    """The `number`-th call of a client, which began then and took 5 ns."""
    id = f"{client}{number}" if accepted else None
    return Call(client, number, "model", Shape.TINY, began or number * 10, (began or number * 10) + 5, id, error)


def found(*tokens: str) -> list[Found]:
    return [Found("model", number, token) for number, token in enumerate(tokens)]


@pytest.mark.parametrize(
    ("calls", "versions", "broken"),
    [
        ([call(1), call(2)], found("a-1", "a-2"), []),
        ([call(1), call(2)], found("a-1"), [Kind.LOST]),
        ([call(1), call(2)], [Found("model", 0, "a-1"), Found("model", 2, "a-2")], [Kind.LOST]),
        ([call(1)], found("a-1", "a-1"), [Kind.DUPLICATE]),
        ([call(1)], found("a-1", "b-7"), [Kind.DUPLICATE]),
        ([call(1, accepted=False, error="not_accepted")], found("a-1"), [Kind.DUPLICATE]),
        ([call(1, accepted=False, error="unavailable")], found("a-1"), []),
        ([call(1, accepted=False)], found(), []),
        ([call(1, began=1), call(2, client="b", began=9)], found("b-2", "a-1"), [Kind.INVERTED]),
        ([call(1, began=1), call(2, client="b", began=4)], found("b-2", "a-1"), []),
        ([call(1, accepted=False, error="unavailable"), call(2)], found("a-2", "a-1"), [Kind.INVERTED]),
    ],
)
def test_calls_are_judged_by_what_they_were_promised(
    calls: list[Call], versions: list[Found], broken: list[Kind]
) -> None:
    assert [violation.kind for violation in judge(calls, found=versions)] == broken
