"""The daemon as it is, but for what a test asks of it by `Mischief`."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.config import Config

from artifactd.daemon import app, crashpoints
from artifactd.daemon.__main__ import main
from artifactd.daemon.catalog import migrate, migrations
from artifactd.daemon.crashpoints import Point
from artifactd.daemon.pipeline import membership
from artifactd.daemon.pipeline.durability import Durability
from artifactd.daemon.pipeline.hasher import Hasher
from artifactd.daemon.queue.submissions import Queue
from artifactd.protocol.states import State
from harness.bugs import plant
from harness.mischief import Gate, Hold, Mischief, StateCounts

__all__: list[str] = []


class _MirroredCounter(Counter[State]):
    """Shows every count to the test, at once."""

    counts: StateCounts

    def __setitem__(self, state: State, count: int) -> None:
        super().__setitem__(state, count)
        self.counts[state] = count


def _mirror_counts(path: str) -> None:
    _MirroredCounter.counts = StateCounts(Path(path))
    initialise = Queue.__init__

    def mirrored(self: Queue) -> None:
        initialise(self)
        self.counts = _MirroredCounter()

    Queue.__init__ = mirrored  # type: ignore


def _hold(owner: type, method: str, gate: str) -> None:
    original = getattr(owner, method)

    def held(*arguments: Any) -> Any:
        Gate.pass_through(gate)
        return original(*arguments)

    setattr(owner, method, held)


def _observer(mischief: Mischief) -> Callable[[Point], None]:
    passings = itertools.count(1)

    def observe(point: Point) -> None:
        if point is Point.MID_HASH and (gate := mischief.holds.get(Hold.MID_HASH)):
            Gate.pass_through(gate)
        if point == mischief.kill_at and next(passings) == mischief.kill_count:
            os.kill(os.getpid(), signal.SIGKILL)

    return observe


def _add_migration() -> None:
    original = migrate._configuration

    def longer() -> Config:
        config = original()
        versions = [Path(migrations.__path__[0], "versions"), Path(__file__).with_name("next_release")]
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", os.pathsep.join(map(str, versions)))
        return config

    migrate._configuration = longer


def _make(mischief: Mischief) -> None:
    crashpoints.observe(_observer(mischief))
    if mischief.states:
        _mirror_counts(mischief.states)
    if gate := mischief.holds.get(Hold.HASHING):
        _hold(Hasher, "_hash_small", gate)
        _hold(Hasher, "_hash_large", gate)
    if gate := mischief.holds.get(Hold.SYNC):
        _hold(Durability, "_sync", gate)
    if boot := mischief.boot:
        app.boot_id = lambda: boot  # type: ignore
    if release := mischief.release:
        migrate.version = membership.version = lambda _: release  # type: ignore
    if mischief.migrates:
        _add_migration()
    if mischief.bug:
        plant(mischief.bug)


if __name__ == "__main__":
    _make(Mischief.from_environ())
    sys.exit(main())
