"""When to try again, and how often at all: pure policies. Kinds and numbers in, seconds and verdicts out."""

from __future__ import annotations

from artifactd.daemon.stores.base import Kind

__all__ = ["RetryBudget", "delay"]

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 30.0
DENIED_SECONDS = 5.0
"""As long at most where somebody is mending it, who watches: a refusal is cheap for both sides."""

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
    longest = min(LONGEST_SECONDS, DENIED_SECONDS) if kind is Kind.DENIED else LONGEST_SECONDS
    ceiling: float = min(longest, FIRST_SECONDS * 2.0 ** min(attempt, 20))
    return ceiling * (0.1 + 0.9 * jitter)


SHARE = 0.1
"""Retries per request, in the long run: a server in trouble is not asked much more than one that is well."""
FLOOR_PER_SECOND = 1.0
MOST_SAVED = 50.0


class RetryBudget:
    """A bucket of retries that requests fill by `SHARE` each, and time by `FLOOR_PER_SECOND`."""

    def __init__(self, now: float) -> None:
        self._saved = MOST_SAVED
        self._at = now

    def asked(self) -> None:
        """A request was begun that is no retry."""
        self._saved = min(MOST_SAVED, self._saved + SHARE)

    def spend(self, now: float) -> bool:
        """Take one retry out at the monotonic time `now`; False if there is none left."""
        self._saved = min(MOST_SAVED, self._saved + (now - self._at) * FLOOR_PER_SECOND)
        self._at = now
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
