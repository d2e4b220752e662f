"""Every order of steps, breadth first: the first state that is wrong has the shortest trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from fleet.deletion_collector import collector_moves
from fleet.deletion_daemons import daemon_moves
from fleet.deletion_model import Collector, Daemon, Shared, State, violation
from fleet.deletion_users import other_moves
from fleet.deletion_world import World

__all__ = ["Explored", "explore"]

_Actor = TypeVar("_Actor", Daemon, Collector)
_Moves = tuple[tuple[str, Shared, _Actor], ...]


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
    steps = _Steps(world)
    wrong_with = cache(check)
    # In the order in which they were met, each with the place of the one that it came from.
    met = [(world.start(), -1)]
    seen = {_nameless(world.start())}
    for place, (state, _) in enumerate(met):
        for _, after in steps.after(state):
            # What is met keeps its daemons apart all the same, so that a trace can be read.
            key = _nameless(after)
            if key in seen:
                continue
            seen.add(key)
            met.append((after, place))
            if (wrong := wrong_with(after[0])) is not None:
                return Explored(len(met), _trace(steps, met), wrong)
    return Explored(len(met))


class _Steps:
    """The steps of a world. What one daemon or collector may do is worked out once for all that others do."""

    def __init__(self, world: World) -> None:
        @cache
        def of_daemon(shared: Shared, daemon: Daemon) -> _Moves[Daemon]:
            return _changing(daemon_moves(shared, daemon, world), shared, daemon)

        @cache
        def of_collector(shared: Shared, published: int | None, collector: Collector) -> _Moves[Collector]:
            return _changing(collector_moves(shared, published, collector, world), shared, collector)

        @cache
        def of_others(shared: Shared) -> tuple[tuple[str, Shared], ...]:
            return tuple(other_moves(shared, world))

        self._of_daemon, self._of_collector, self._of_others = of_daemon, of_collector, of_others
        self._daemons = _names("daemon", world.daemons)
        self._collectors = _names("collector", world.collectors)

    def after(self, state: State) -> Iterator[tuple[tuple[str, str], State]]:
        """All steps that may come next: who does what, and the state that it leads to."""
        shared, daemons, collectors = state
        for index, daemon in enumerate(daemons):
            before, behind = daemons[:index], daemons[index + 1 :]
            for text, then, moved in self._of_daemon(shared, daemon):
                yield (self._daemons[index], text), (then, (*before, moved, *behind), collectors)
        published = min([daemon.oldest for daemon in daemons if not daemon.fenced], default=None)
        for index, collector in enumerate(collectors):
            earlier, later = collectors[:index], collectors[index + 1 :]
            for text, then, went in self._of_collector(shared, published, collector):
                yield (self._collectors[index], text), (then, daemons, (*earlier, went, *later))
        for text, then in self._of_others(shared):
            yield ("", text), (then, daemons, collectors)


def _changing(moves: Iterable[tuple[str, Shared, _Actor]], shared: Shared, actor: _Actor) -> _Moves[_Actor]:
    """Without those after which all is as it was."""
    return tuple(move for move in moves if move[1:] != (shared, actor))


def _names(kind: str, number: int) -> list[str]:
    return [f"the {kind}"] if number == 1 else [f"{kind} {index + 1}" for index in range(number)]


def _nameless(state: State) -> State:
    """The same for states that differ only in who is who."""
    shared, daemons, collectors = state
    if len(daemons) > 1:
        daemons = tuple(sorted(daemons))
    if len(collectors) > 1:
        collectors = tuple(sorted(collectors))
    return shared, daemons, collectors


def _trace(steps: _Steps, met: list[tuple[State, int]]) -> tuple[str, ...]:
    """The steps to the state that was met last."""
    trace: list[str] = []
    state, place = met[-1]
    while place >= 0:
        came_from, earlier = met[place]
        who, text = next(step for step, after in steps.after(came_from) if after == state)
        trace.append(f"{who} {text}".strip())
        state, place = came_from, earlier
    return tuple(reversed(trace))
