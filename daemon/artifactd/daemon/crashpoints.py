"""Named points of the pipeline at which a test may kill the process.

In production `reach` does nothing. The kill tests run the daemon with `observer` set, so that each point of
the way from the journal to the clean-up is proven to be a safe place to die.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

__all__ = ["Point", "observe", "reach"]


class Point(StrEnum):
    """The points, in the order in which a submission passes them; only parts of drafts are registered."""

    JOURNAL_WRITTEN = "journal-written"
    MID_HASH = "mid-hash"
    MID_PART = "mid-part"
    PARTS_SENT = "parts-sent"
    PART_REGISTERED = "part-registered"
    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    RECORDS_STORED = "records-stored"
    BEFORE_CLEANUP = "before-cleanup"


_observer: Callable[[Point], None] | None = None


def observe(observer: Callable[[Point], None]) -> None:
    """Call `observer` at every point from now on, in whatever thread reaches it."""
    global _observer
    _observer = observer


def reach(point: Point) -> None:
    """Say that this point was reached."""
    if _observer is not None:
        _observer(point)
