"""Every order of steps, breadth first: the first violation that is met has the shortest trace."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from fleet.deletion_collector import collector_moves
from fleet.deletion_daemons import daemon_moves
from fleet.deletion_model import Shared, State, violation
from fleet.deletion_users import other_moves
from fleet.deletion_world import World

__all__ = ["Explored", "Steps", "explore"]


@dataclass(frozen=True, slots=True)
class Explored:
    """How many states were met; where one was wrong, the shortest trace to it and what is wrong there."""

    states: int
    trace: tuple[str, ...] = ()
    wrong: str | None = None

    def __str__(self) -> str:
        lines = [f"{number:2}. {text}" for number, text in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"    → {self.wrong}"])


class Steps:
    """The steps of a world. What one daemon or collector may do is worked out once for all that others do."""

    def __init__(self, world: World) -> None:
        self._daemon = cache(lambda shared, daemon: tuple(daemon_moves(shared, daemon, world)))
        self._collector = cache(lambda *of: tuple(collector_moves(*of, world)))
        self._other = cache(lambda shared: tuple(other_moves(shared, world)))
        self._names = ["the collector"] if world.collectors == 1 else ["collector 1", "collector 2"]
        self._daemons = ["the daemon"] if world.daemons == 1 else ["daemon 1", "daemon 2"]

    def after(self, state: State) -> Iterator[tuple[str, str, State]]:
        """All steps that may come next: who, what, and the state that it leads to."""
        shared, daemons, collectors = state
        for index, daemon in enumerate(daemons):
            who = self._daemons[index]
            for text, then, became in self._daemon(shared, daemon):
                yield who, text, State(then, (*daemons[:index], became, *daemons[index + 1 :]), collectors)
        published = min([daemon.oldest for daemon in daemons if not daemon.fenced], default=None)
        for index, collector in enumerate(collectors):
            who = self._names[index]
            for text, then, became in self._collector(shared, published, collector):
                yield who, text, State(then, daemons, (*collectors[:index], became, *collectors[index + 1 :]))
        for text, then in self._other(shared):
            yield "", text, State(then, daemons, collectors)


def explore(world: World, check: Callable[[Shared], str | None] = violation) -> Explored:
    """Take every step from every state that can be reached, until `check` says what is wrong with one."""
    steps = Steps(world)
    wrong_in = cache(check)
    start = world.start()
    came_from: dict[State, State | None] = {start: None}
    seen = {_key(start)}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        for _, _, after in steps.after(state):
            # The states themselves keep their daemons apart, so that a trace can be read.
            key = _key(after)
            if key in seen:
                continue
            seen.add(key)
            came_from[after] = state
            wrong = wrong_in(after.shared)
            if wrong:
                return Explored(len(seen), _trace(steps, came_from, after), wrong)
            queue.append(after)
    return Explored(len(seen))


def _key(state: State) -> State:
    """The same for states that differ in who is who."""
    shared, daemons, collectors = state
    if len(daemons) > 1:
        daemons = tuple(sorted(daemons))
    if len(collectors) > 1:
        collectors = tuple(sorted(collectors))
    return State(shared, daemons, collectors)


def _trace(steps: Steps, came_from: dict[State, State | None], state: State) -> tuple[str, ...]:
    trace: list[str] = []
    while (before := came_from[state]) is not None:
        trace.append(next(f"{who} {text}".strip() for who, text, after in steps.after(before) if after == state))
        state = before
    return tuple(reversed(trace))
