"""Kill a daemon while clients log, as often as a test wants, and hand back what the clients were promised."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from artifactd.daemon.crashpoints import Point
from artifactd.protocol.states import State
from harness.clients import Workload, running_clients
from harness.daemon import DaemonProcess
from harness.ledger import Call
from harness.mischief import Bug, Mischief, StateCounts

__all__ = ["kill_at", "kill_at_random"]

_REACH_SECONDS = 30.0
_LIFE_SECONDS = 0.8
_START_SECONDS = 0.6
_EARLY = 0.2
"""The share of kills that hit a daemon which may not be ready yet."""


def kill_at(
    daemon: DaemonProcess, point: Point, workload: Workload, ledger: Path, *, kills: int, bug: Bug | None = None
) -> list[Call]:
    """Let the daemon kill itself at the first, then at the second … passing of `point` in as many lives.

    Clients log until all kills are done; then the daemon runs unharmed.
    """
    daemon.start(Mischief(kill_at=point, bug=bug))
    with running_clients(daemon, workload, ledger) as clients:
        for kill in range(1, kills + 1):
            assert daemon.wait_killed(_REACH_SECONDS), f"{point} was not reached for the {kill}. time"
            again = Mischief(bug=bug) if kill == kills else Mischief(kill_at=point, kill_count=kill + 1, bug=bug)
            daemon.start(again, wait=kill == kills)
        return clients.stop()


def kill_at_random(
    daemon: DaemonProcess,
    workload: Workload,
    directory: Path,
    kills: int,
    chance: random.Random,
    bug: Bug | None = None,
) -> tuple[list[Call], Counter[State]]:
    """Kill the daemon at random moments, some before it is ready; then let it run unharmed.

    Returns the calls, and how many kills found submissions in each state. `directory` takes the files of the
    harness.
    """
    states = StateCounts(directory / "states")
    mischief = Mischief(states=states.path, bug=bug)
    hits: Counter[State] = Counter()
    daemon.start(mischief)
    with running_clients(daemon, workload, directory / "ledger") as clients:
        for _ in range(kills):
            if chance.random() < _EARLY:
                time.sleep(chance.uniform(0, _START_SECONDS))
            else:
                daemon.wait_ready()
                time.sleep(chance.uniform(0, _LIFE_SECONDS))
            daemon.kill()
            hits.update(states.present())
            states.clear()
            daemon.start(mischief, wait=False)
        daemon.wait_ready()
        return clients.stop(), hits
