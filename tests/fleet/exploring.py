"""Every order of steps, breadth first: the first state that is wrong has the shortest trace."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

from fleet.deletion_collector import collector_moves
from fleet.deletion_daemons import daemon_moves
from fleet.deletion_model import Collector, Daemon, Shared, violation
from fleet.deletion_users import other_moves
from fleet.deletion_world import World

__all__ = ["Explored", "explore"]

_Part = TypeVar("_Part", bound=Hashable)

_State = tuple[int, tuple[int, ...], tuple[int, ...]]
"""What is shared, the daemons and the collectors, as numbers: there are many states, and few different parts."""

_Moves = list[tuple[str, int, int]]
"""What is done, and the numbers of what is then shared and of who did it."""


@dataclass(frozen=True, slots=True)
class Explored:
    """How many states were met; where one was wrong, the shortest trace to it and what is wrong there."""

    states: int
    trace: tuple[str, ...] = ()
    wrong: str | None = None

    def __str__(self) -> str:
        lines = [f"{number:2}. {text}" for number, text in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"    → {self.wrong}"])


def explore(world: World, check: Callable[[Shared], str | None] = violation) -> Explored:
    """Take every step from every state that can be reached, until `check` says what is wrong with one."""
    steps = _Steps(world, check)
    # In the order in which they were met, each with the place of the one that it came from.
    met = [(steps.start, -1)]
    seen = {_nameless(steps.start)}
    for place, (state, _) in enumerate(met):
        for _, after in steps.after(state):
            # What is met keeps its daemons apart all the same, so that a trace can be read.
            key = _nameless(after)
            if key in seen:
                continue
            seen.add(key)
            met.append((after, place))
            if (wrong := steps.wrong_with(after[0])) is not None:
                return Explored(len(met), _trace(steps, met), wrong)
    return Explored(len(met))


class _Numbers(Generic[_Part]):
    """A number for each part that there is, the same for those that are equal."""

    def __init__(self) -> None:
        self._numbers: dict[_Part, int] = {}
        self._parts: list[_Part] = []

    def of(self, part: _Part) -> int:
        number = self._numbers.setdefault(part, len(self._parts))
        if number == len(self._parts):
            self._parts.append(part)
        return number

    def __getitem__(self, number: int) -> _Part:
        return self._parts[number]


class _Steps:
    """The steps of a world. What one daemon or collector may do is worked out once for all that others do."""

    def __init__(self, world: World, check: Callable[[Shared], str | None]) -> None:
        self._world = world
        self._shared, self._daemons, self._collectors = (
            _Numbers[Shared](),
            _Numbers[Daemon](),
            _Numbers[Collector](),
        )
        self._of_daemon = cache(self._work_out_daemon)
        self._of_collector = cache(self._work_out_collector)
        self._of_others = cache(self._work_out_others)
        self._published = cache(self._work_out_published)
        self._daemon_names = _names("daemon", world.daemons)
        self._collector_names = _names("collector", world.collectors)
        shared, daemons, collectors = world.start()
        self.start: _State = (
            self._shared.of(shared),
            tuple(map(self._daemons.of, daemons)),
            tuple(map(self._collectors.of, collectors)),
        )
        self.wrong_with = cache(lambda number: check(self._shared[number]))

    def after(self, state: _State) -> Iterator[tuple[tuple[str, str], _State]]:
        """All steps that may come next: who does what, and the state that it leads to."""
        shared, daemons, collectors = state
        for index, daemon in enumerate(daemons):
            who, before, behind = self._daemon_names[index], daemons[:index], daemons[index + 1 :]
            for text, then, became in self._of_daemon(shared, daemon):
                yield (who, text), (then, (*before, became, *behind), collectors)
        published = self._published(daemons)
        for index, collector in enumerate(collectors):
            who, before, behind = self._collector_names[index], collectors[:index], collectors[index + 1 :]
            for text, then, became in self._of_collector(shared, published, collector):
                yield (who, text), (then, daemons, (*before, became, *behind))
        for text, then in self._of_others(shared):
            yield ("", text), (then, daemons, collectors)

    def _work_out_daemon(self, shared: int, daemon: int) -> _Moves:
        moves = daemon_moves(self._shared[shared], self._daemons[daemon], self._world)
        numbered = [(text, self._shared.of(then), self._daemons.of(became)) for text, then, became in moves]
        # Without those after which all is as it was.
        return [move for move in numbered if move[1:] != (shared, daemon)]

    def _work_out_collector(self, shared: int, published: int | None, collector: int) -> _Moves:
        moves = collector_moves(self._shared[shared], published, self._collectors[collector], self._world)
        return [(text, self._shared.of(then), self._collectors.of(became)) for text, then, became in moves]

    def _work_out_others(self, shared: int) -> list[tuple[str, int]]:
        return [(text, self._shared.of(then)) for text, then in other_moves(self._shared[shared], self._world)]

    def _work_out_published(self, daemons: tuple[int, ...]) -> int | None:
        rows = [self._daemons[number] for number in daemons]
        return min([row.oldest for row in rows if not row.fenced], default=None)


def _names(kind: str, number: int) -> list[str]:
    return [f"the {kind}"] if number == 1 else [f"{kind} {index + 1}" for index in range(number)]


def _nameless(state: _State) -> _State:
    """The same for states that differ only in who is who."""
    shared, daemons, collectors = state
    if len(daemons) > 1:
        daemons = tuple(sorted(daemons))
    if len(collectors) > 1:
        collectors = tuple(sorted(collectors))
    return shared, daemons, collectors


def _trace(steps: _Steps, met: list[tuple[_State, int]]) -> tuple[str, ...]:
    """The steps to the state that was met last."""
    trace: list[str] = []
    state, place = met[-1]
    while place >= 0:
        came_from, earlier = met[place]
        who, text = next(step for step, after in steps.after(came_from) if after == state)
        trace.append(f"{who} {text}".strip())
        state, place = came_from, earlier
    return tuple(reversed(trace))
