"""When to try again: a pure policy. Kinds and numbers in, seconds out."""

from __future__ import annotations

from artifactd.daemon.stores.base import Kind

__all__ = ["delay"]

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 30.0

_ATTEMPTS: dict[Kind, int | None] = {
    Kind.TRANSIENT: None,
    Kind.THROTTLED: None,
    Kind.UNKNOWN_OUTCOME: None,
    Kind.DENIED: None,
    Kind.CORRUPT: 4,
    Kind.NOT_FOUND: 3,
    Kind.CONFLICT: 3,
    Kind.PERMANENT: 1,
}
"""How often an operation is tried at most. What was accepted outlives any outage, and credentials that expired."""


def delay(kind: Kind, attempt: int, jitter: float) -> float | None:
    """Seconds to wait after the `attempt`-th failure (from 1) of this kind, or None to give up.

    Exponential with full jitter: `jitter` is uniform in [0, 1).
    """
    limit = _ATTEMPTS[kind]
    if limit is not None and attempt >= limit:
        return None
    ceiling: float = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt, 20))
    return ceiling * (0.1 + 0.9 * jitter)
