"""The state of the model: one blob, as the catalog, the bucket, the daemons and the collectors have it.

Everything is a tuple, so that a state can be a key. `docs/deletion-protocol.md` explains the protocol; the other
files named `deletion_*` take its steps, and `exploring` takes them in every order.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = [
    "NEVER",
    "Blob",
    "Collector",
    "Daemon",
    "Phase",
    "Row",
    "Shared",
    "State",
    "Step",
    "Submission",
    "violation",
]

NEVER = -1
"""Stands where there is no epoch, and sorts before all of them."""


class Blob(IntEnum):
    """What the catalog says of a blob that it has a row for."""

    LIVE = 0
    CONDEMNED = 1
    DELETING = 2


class Row(NamedTuple):
    """The catalog's row of the blob. Its object is known by the epoch in its key."""

    blob: Blob
    key: int
    condemned_at: int = NEVER


class Shared(NamedTuple):
    """What everybody sees, the catalog and the bucket, and what is on its way to them from nobody any more."""

    epoch: int = 0
    row: Row | None = None
    objects: tuple[int, ...] = ()
    """What the bucket holds, ascending."""
    versions: bool = False
    """Whether one refers to the blob; so with drafts and links."""
    drafts: bool = False
    links: bool = False
    linking: bool = False
    """A link has found its source live, and is not written yet; only where that takes two transactions."""
    late_put: int = NEVER
    """The object of a PUT that nobody waits for, and that may land at any time."""
    faults: int = 0
    """That may still happen."""


class Step(IntEnum):
    """How far a submission is. What follows is a transaction, or an answer that is on its way."""

    WAITING = 0
    """For an upload of the same daemon; only where it relies on that without a look."""
    UPLOADED = 1
    """To be registered."""
    REGISTERED = 2
    """The answer is on its way."""
    RELYING = 3
    """The daemon knows that the blob is there. To be committed."""


class Submission(NamedTuple):
    """A submission as its daemon remembers it. `begin` is the epoch in which it began."""

    step: Step
    begin: int
    key: int = NEVER


class Daemon(NamedTuple):
    """A daemon: `oldest` and `fenced` are its row in the catalog, the rest is in its memory or on the way."""

    up: bool = True
    fenced: bool = False
    """Its generation has moved on without it, and it does not count for the horizon."""
    oldest: int = 0
    heard: int = 0
    answer: int = NEVER
    """The epoch that is on its way to it."""
    submissions: tuple[Submission, ...] = ()
    late: tuple[Submission, ...] = ()
    """At most one that is gone from its memory, while the transaction that follows is still on its way."""
    resumes: int = NEVER
    """The key of an upload that its journal remembers; only where it is resumed whatever its epoch."""


class Phase(IntEnum):
    """What a collector did last."""

    IDLE = 0
    UNMARKED = 1
    """It has marked, and nothing refers to the blob."""
    STAMPED = 2
    """It knows the epoch to condemn in; only where that takes two transactions."""
    CONDEMNED = 3
    INCREMENTED = 4
    HORIZON = 5
    """It has read the horizon, and marks again."""
    TAKEN = 6
    DELETED = 7
    ROWS = 8
    """It has read which objects the rows name."""


class Collector(NamedTuple):
    """A collector, and what it remembers of its sweep."""

    phase: Phase = Phase.IDLE
    horizon: int = NEVER
    read: int = 0
    """How many of the places that refer to blobs the second mark has read."""
    marked: bool = False
    key: int = NEVER
    """Of the object to delete; in `Phase.ROWS`, of the one that is not to be deleted."""


State = tuple[Shared, tuple[Daemon, ...], tuple[Collector, ...]]
"""All of it. A step changes what is shared, and one daemon or one collector at most."""


def violation(shared: Shared) -> str | None:
    """What is wrong: whatever refers to the blob, or may do so without another look, must find its bytes."""
    row = shared.row
    if shared.versions or shared.drafts or shared.links:
        if row is None:
            return "a blob that is referred to has no row"
        if row.blob is Blob.DELETING:
            return "a blob that is referred to is being deleted"
        if row.key not in shared.objects:
            return "a blob that is referred to has no object"
    if row is not None and row.blob is not Blob.DELETING and row.key not in shared.objects:
        return "the catalog offers a blob that has no object"
    return None
