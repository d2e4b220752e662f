"""What a group of exceptions says in a line."""

from __future__ import annotations

__all__ = ["first"]


def first(problem: BaseException) -> BaseException:
    """The first exception of a group, however deep it lies; any other is itself."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem
