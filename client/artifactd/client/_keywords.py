"""Other names for parameters: those by which W&B's documentation passes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["also_called"]

P = ParamSpec("P")
R = TypeVar("R")


def also_called(**ours: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Take each keyword argument under a second name: `also_called(theirs="ours")`.

    The function decorated raises `TypeError`, as for any argument given twice, if it gets both.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            for theirs in ours.keys() & kwargs.keys():
                if ours[theirs] in kwargs:
                    raise TypeError(f"{function.__name__}() got both {ours[theirs]!r} and {theirs!r}")
                kwargs[ours[theirs]] = kwargs.pop(theirs)
            return function(*args, **kwargs)

        return called

    return decorate
