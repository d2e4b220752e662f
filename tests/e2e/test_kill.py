"""The daemon may be killed anywhere: what was accepted is committed once, in order, with the right bytes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artifactd.daemon.crashpoints import Point
from artifactd.protocol.states import State
from harness.campaign import kill_at, kill_at_random
from harness.clients import Workload
from harness.contents import Shape
from harness.daemon import DaemonProcess
from harness.delaying_proxy import delaying_proxy
from harness.fixtures import MakeDaemon
from harness.mischief import UNFINISHED
from harness.places import Place, new_bucket
from harness.verify import verify

SEED = 20
SMALL = (Shape.TINY, Shape.PACKED, Shape.TINY, Shape.PLAIN, Shape.TINY)
BIG_FIRST = (Shape.MULTIPART, *SMALL * 4)


@pytest.mark.parametrize("point", list(Point))
def test_a_kill_at_a_named_point_breaks_no_promise(
    point: Point, make_daemon: MakeDaemon, place: Place, tmp_path: Path
) -> None:
    daemon = make_daemon(place)
    workload = Workload(collections=("model", "data"), shapes=BIG_FIRST, pause=0.3, seed=SEED)
    calls = kill_at(daemon, point, workload, tmp_path / "ledger", kills=2)
    assert verify(daemon, calls) == []
    daemon.stop()


@contextmanager
def slow_place(place: str, request: pytest.FixtureRequest, directory: Path) -> Iterator[Place]:
    """A store whose uploads take so long that a kill finds many of them under way."""
    if place == "file":
        yield request.getfixturevalue("directory_place")
        return
    server = request.getfixturevalue("juicefs_server")
    with delaying_proxy(server.endpoint, directory / "puts.jsonl", 0.1, SEED) as proxy:
        yield new_bucket(server, proxy.endpoint)


def show(counts: Counter[State], kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        found = ", ".join(f"{state}: {counts[state]}" for state in UNFINISHED)
        print(f"\n{kills} kills (seed {SEED}) found submissions in state  {found}")


def survive(
    daemon: DaemonProcess, directory: Path, kills: int, pause: float, tell: Callable[[Counter[State]], None]
) -> Counter[State]:
    workload = Workload(collections=("model", "data", "log"), shapes=BIG_FIRST, pause=pause, seed=SEED)
    calls, counts = kill_at_random(daemon, workload, directory, kills, random.Random(SEED))
    tell(counts)
    assert verify(daemon, calls) == []
    daemon.stop()
    return counts


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_twenty_kills_at_random_break_no_promise(
    kind: str,
    make_daemon: MakeDaemon,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with slow_place(kind, request, tmp_path) as place:
        survive(make_daemon(place), tmp_path, 20, 0.4, lambda counts: show(counts, 20, capsys))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_hundred_kills_at_random_find_every_state_and_break_no_promise(
    kind: str,
    make_daemon: MakeDaemon,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with slow_place(kind, request, tmp_path) as place:
        counts = survive(make_daemon(place), tmp_path, 100, 1.0, lambda counts: show(counts, 100, capsys))
    assert all(counts[state] >= 5 for state in UNFINISHED), counts
