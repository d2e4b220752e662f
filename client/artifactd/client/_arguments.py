"""Arguments of the wrong kind, refused by their names before they go anywhere. Pure."""

from __future__ import annotations

import math
import os
from numbers import Real
from typing import Any

from artifactd.protocol.errors import InvalidRequest

__all__ = ["as_path", "check_count", "check_number", "check_text", "check_timeout", "wrong"]

_MANY_DIGITS = 10**40
_MAX_PER_PAGE = 1_000_000
"""More than any page has."""


def wrong(what: str, wanted: str, value: object, remedy: str = "") -> InvalidRequest:
    """That the argument `what` must be `wanted` and is `value`."""
    # Python refuses to write an integer of many digits.
    shown = repr(value)[:100] if not isinstance(value, int) or abs(value) < _MANY_DIGITS else "a far larger one"
    return InvalidRequest(f"{what} must be {wanted}, not {shown}", remedy=remedy)


def check_count(value: Any, what: str, lowest: int = 1, highest: int = _MAX_PER_PAGE) -> int:
    """A whole number from `lowest` to `highest`, numpy's included."""
    number = value.__index__() if hasattr(value, "__index__") and not isinstance(value, bool) else None
    if not isinstance(number, int) or not lowest <= number <= highest:
        raise wrong(what, f"a whole number from {lowest} to {highest}", value)
    return number


def check_number(value: Any, what: str, wanted: str = "a number") -> float:
    """Any number but NaN, numpy's included."""
    if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
        raise wrong(what, wanted, value)
    return float(value)


def check_timeout(value: Any) -> float:
    """Seconds, finite and not negative."""
    wanted = "a number of seconds"
    seconds = check_number(value, "timeout", wanted)
    if not 0 <= seconds < math.inf:
        raise wrong("timeout", wanted, value)
    return seconds


def check_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise wrong(what, "a string", value)
    return value


def as_path(value: Any, what: str = "path") -> str:
    """A path of the file system as text."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise wrong(what, "a path", value)
    return path
