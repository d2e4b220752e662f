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
from harness import places
from harness.campaign import kill_at, kill_at_random
from harness.clients import Workload
from harness.contents import Shape
from harness.delaying_proxy import delaying_proxy
from harness.fixtures import MakeDaemon
from harness.mischief import UNFINISHED
from harness.places import Place
from harness.verify import verify

SEED = 20
SMALL = (Shape.TINY, Shape.PACKED, Shape.TINY, Shape.PLAIN, Shape.TINY)
BIG_FIRST = (Shape.MULTIPART, *SMALL * 4)


# Where parts of drafts are registered, the tests of drafts kill.
@pytest.mark.parametrize("point", [point for point in Point if point is not Point.PART_REGISTERED])
def test_a_kill_at_a_named_point_breaks_no_promise(
    point: Point, make_daemon: MakeDaemon, place: Place, tmp_path: Path
) -> None:
    daemon = make_daemon(place)
    workload = Workload(collections=("model", "data"), shapes=BIG_FIRST, pause=0.3, seed=SEED)
    calls = kill_at(daemon, point, workload, tmp_path / "ledger", kills=2)
    assert verify(daemon, calls) == []
    daemon.stop()


@contextmanager
def slow_place(kind: str, request: pytest.FixtureRequest, directory: Path) -> Iterator[Place]:
    """A store; the one on S3 takes so long that a kill finds many uploads under way."""
    if kind == "file":
        yield places.directory(directory / "blobs")
        return
    server = request.getfixturevalue("juicefs_server")
    with delaying_proxy(server.endpoint, directory / "puts.jsonl", 0.1, SEED) as proxy:
        yield places.new_bucket(server, proxy.endpoint)


@pytest.fixture
def survive(
    make_daemon: MakeDaemon, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, int], Counter[State]]:
    """Kill a daemon with this kind of store so often, and verify; how many kills found each state."""

    def run(kind: str, kills: int) -> Counter[State]:
        directory = tmp_path / kind
        directory.mkdir()
        workload = Workload(collections=("model", "data", "log"), shapes=BIG_FIRST, pause=0.4, seed=SEED)
        with slow_place(kind, request, directory) as place:
            daemon = make_daemon(place)
            calls, counts = kill_at_random(daemon, workload, directory, kills, random.Random(SEED))
            found = ", ".join(f"{state} {counts[state]}" for state in UNFINISHED)
            with capsys.disabled():
                print(f"\n{kind}: {kills} kills (seed {SEED}, {len(calls)} calls) found submissions: {found}")
            assert verify(daemon, calls) == []
            daemon.stop()
        return counts

    return run


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["file", pytest.param("s3", marks=pytest.mark.long)])
def test_twenty_kills_at_random_break_no_promise(kind: str, survive: Callable[[str, int], Counter[State]]) -> None:
    survive(kind, 20)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_hundred_kills_at_random_find_every_state_and_break_no_promise(
    survive: Callable[[str, int], Counter[State]],
) -> None:
    counts = survive("file", 100) + survive("s3", 100)
    assert all(counts[state] >= 5 for state in UNFINISHED), counts
