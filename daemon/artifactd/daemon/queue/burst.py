"""When the pipeline leaves the processor to the intake: pure, told the time."""

from __future__ import annotations

import math

__all__ = ["LONGEST", "LULL", "Burst"]

LULL = 0.02
"""Seconds without a new submission that end a burst: several times what an acknowledgement takes beside a pipeline
at work, else one slow answer would let it loose in the middle of a burst, and all later ones would be slow."""
LONGEST = 0.5
"""Seconds from the beginning of a burst for which the pipeline holds back at most."""


class Burst:
    """Submissions that arrive close together.

    A training thread waits for each of its acknowledgements and for nothing that comes after. Threads of the
    pipeline that start between two of them compete for the interpreter and make each several times as slow.
    """

    def __init__(self) -> None:
        self._began = -math.inf
        self._newest = -math.inf

    def accepted(self, now: float) -> None:
        """A submission was accepted at `now`, in seconds of any steady clock."""
        if now - self._newest > LULL:
            self._began = now
        self._newest = now

    def ended(self) -> None:
        """Whoever sent the newest submission waits for it, and sends no other meanwhile."""
        self._newest = -math.inf

    def hold(self, now: float) -> float:
        """Seconds to wait before the next submission is processed; 0.0 for now."""
        return max(0.0, min(self._newest + LULL, self._began + LONGEST) - now)
