"""The life of one submission: every state and every legal move, in one table."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["TERMINAL", "TRANSITIONS", "IllegalTransition", "State", "move"]


class State(StrEnum):
    """Where a submission stands. The value is what `status`, handles and the journal show."""

    ACCEPTED = "accepted"
    """Journalled; waits for its turn."""
    HASHING = "hashing"
    """Its files are being read and hashed; nothing of it is on its way to the store yet."""
    UPLOADING = "uploading"
    """Blobs are on their way; remaining files are hashed beside them."""
    READY = "ready"
    """Every blob and the manifest are stored; waits for its turn to commit."""
    COMMITTED = "committed"
    """A version exists (a new one, or the newest where the contents were equal)."""
    FAILED = "failed"
    """It will never be committed; the error says why."""
    CANCELLED = "cancelled"
    """Its owner took it back before it was committed."""


_DROPPED = frozenset({State.FAILED, State.CANCELLED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.HASHING}) | _DROPPED,
    State.HASHING: frozenset({State.UPLOADING, State.READY}) | _DROPPED,
    State.UPLOADING: frozenset({State.READY}) | _DROPPED,
    State.READY: frozenset({State.COMMITTED}) | _DROPPED,
    State.COMMITTED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}

TERMINAL = frozenset(state for state, targets in TRANSITIONS.items() if not targets)


class IllegalTransition(RuntimeError):
    """A move that the table does not know; nothing was changed."""


def move(current: State, target: State) -> State:
    """Return `target` if the table allows the move from `current`, else raise `IllegalTransition`."""
    if target not in TRANSITIONS[current]:
        raise IllegalTransition(f"{current} -> {target}")
    return target
