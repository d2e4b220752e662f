"""What commands of the daemon say on a terminal, beside their results."""

from __future__ import annotations

import sys

__all__ = ["plain", "show"]


def plain(text: str) -> str:
    """What a server says, without what would move a terminal's cursor or break a line."""
    return "".join(character if character.isprintable() else " " for character in text)


def show(step: str) -> None:
    """Say what is being done on a line that is written over, if standard error is a terminal; "" clears it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{step + ' …' if step else ''}")
        sys.stderr.flush()
