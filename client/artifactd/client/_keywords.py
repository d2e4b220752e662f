"""Keyword arguments of W&B: under other names here, or without a meaning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["also_called", "ignores"]

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


def ignores(*theirs: str, aloud: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Take keyword arguments that change nothing here; `aloud` warns of those that are set, once for each call."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            given = [name for name in theirs if kwargs.pop(name, None)]
            if given and aloud:
                text = f"{function.__name__}() ignores {', '.join(given)}: see docs/from-wandb.md"
                warnings.warn(text, UserWarning, stacklevel=2)
            return function(*args, **kwargs)

        return called

    return decorate
