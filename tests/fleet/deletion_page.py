"""Writes the end of `docs/deletion-protocol.md`: `PYTHONPATH=tests .venv/bin/python -m fleet.deletion_page`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.deletion_garbage import garbage
from fleet.deletion_model import Shared, violation
from fleet.deletion_world import Omission, World
from fleet.deletion_worlds import COMPLETE, world_without
from fleet.exploring import Explored, explore

__all__ = ["PAGE", "explore_complete", "explore_without", "row_of", "section_of"]

PAGE = Path(__file__).parents[2] / "docs" / "deletion-protocol.md"

_MARKER = "<!-- What follows is written by tests/fleet/deletion_page.py. -->\n"

_KEEP_GARBAGE = {Omission.NO_INCREMENT, Omission.DELETING_LEFT_BEHIND}
"""All the others lose something."""

_WHAT_FOLLOWS = """
## What each step is for

Each step left out in turn, and the shortest way to harm; `.1` is the object with epoch 1 in its key. A blob that
is referred to and being deleted is lost, because the object goes next. One that the catalog offers without an
object is lost to whoever looks next.
"""


def explore_complete(world: World) -> Explored:
    """The world, for losses and for garbage."""
    return explore(world, _loss_or_garbage(world))


def explore_without(omission: Omission) -> Explored:
    """The world that shows what the step is for."""
    world = world_without(omission)
    return explore(world, _loss_or_garbage(world) if omission in _KEEP_GARBAGE else violation)


def row_of(name: str, explored: Explored) -> str:
    """A line of the table of worlds."""
    return f"| {name} | {explored.states:,} |\n"


def section_of(omission: Omission, explored: Explored) -> str:
    """What the page says of a step."""
    heading = omission.value[0].upper() + omission.value[1:]
    return f"\n### {heading}\n\n```text\n{explored}\n```\n"


def _loss_or_garbage(world: World) -> Callable[[Shared], str | None]:
    return lambda shared: violation(shared) or garbage(shared, world)


def _written() -> str:
    rows = [row_of(name, explore_complete(world)) for name, world in COMPLETE.items()]
    sections = [section_of(omission, explore_without(omission)) for omission in Omission]
    return "".join(
        [
            "\n## What was explored\n\n| world | states |\n|---|---|\n",
            *rows,
            _WHAT_FOLLOWS,
            *sections,
        ]
    )


if __name__ == "__main__":
    ours, marker, _ = PAGE.read_text().partition(_MARKER)
    PAGE.write_text(ours + (marker or _MARKER) + _written())
