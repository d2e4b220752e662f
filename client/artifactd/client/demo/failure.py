"""Why the demo could not be told to its end."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DemoFailed", "tail"]

_LINES = 15


class DemoFailed(Exception):
    """A process of the demo broke down; the message ends with what it said last."""


def tail(log: Path) -> str:
    """The last lines of a log, to be shown below an error."""
    lines = log.read_text(errors="replace").splitlines()[-_LINES:]
    return "\n".join(["", *lines] if lines else ["", f"{log.name} is empty"])
