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
from harness.mischief import Bug
from harness.verify import Kind, verify

SEED = 4
KILLS = 4
WORKLOAD = Workload(collections=("model",), shapes=(Shape.MULTIPART, *(Shape.TINY,) * 9), pause=0.1, seed=SEED)


@pytest.mark.parametrize(
    ("bug", "point", "broken"),
    [
        (Bug.EARLY_ACK, None, Kind.LOST),
        (Bug.NO_IDEMPOTENCY, Point.AFTER_COMMIT, Kind.DUPLICATE),
        (Bug.NO_SEQUENCER, None, Kind.INVERTED),
        (Bug.EARLY_CLEANUP, Point.BEFORE_COMMIT, Kind.LOST),
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
