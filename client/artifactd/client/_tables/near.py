"""What a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["near"]


def near(name: str, names: Iterable[str]) -> str:
    """`; did you mean …?` with the names most like `name`, or nothing."""
    found = get_close_matches(name, list(names), n=3)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
