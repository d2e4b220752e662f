"""How many requests may be in flight: a pure policy. Outcomes in, a number out.

Additive increase, multiplicative decrease: every round of successes allows one request more, and an answer that
asks for less halves what is in flight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """`limit` requests, between 1 and `most`. `cuts` counts the decreases: the number of the round."""

    most: int
    limit: float
    cuts: int = 0

    @classmethod
    def of(cls, most: int) -> Window:
        """Wide open."""
        return cls(most, float(most))

    def admits(self, in_flight: int) -> bool:
        """Whether one more may begin."""
        return in_flight < int(self.limit)

    def succeeded(self) -> Window:
        """One request more after as many successes as requests fit in."""
        if self.limit >= self.most:
            return self
        return replace(self, limit=min(float(self.most), self.limit + 1.0 / self.limit))

    def throttled(self, began: int, in_flight: int) -> Window:
        """Half of the requests in flight, unless the request began in an earlier round (`began` is its `cuts`).

        A burst of refusals is one piece of news: all but the first are about requests that were begun before
        the first was heard.
        """
        if began != self.cuts:
            return self
        return replace(self, limit=max(1.0, min(self.limit, in_flight) / 2.0), cuts=self.cuts + 1)
