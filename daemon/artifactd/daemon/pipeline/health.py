"""Whether the store and the catalog answer, for the status and for the log, told once per change."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

__all__ = ["Health"]

log = structlog.get_logger()


@dataclass(slots=True)
class Health:
    """The last word of one service. `error` is None while it answers."""

    name: str
    url: str
    error: str | None = None
    since: float = 0.0

    def answered(self) -> None:
        if self.error is not None:
            log.info(f"{self.name} answers again", url=self.url)
            self.error = None
            self.since = time.time()

    def failed(self, reason: str) -> None:
        if self.error is None:
            log.warning(f"{self.name} does not answer", url=self.url, reason=reason)
            self.since = time.time()
        self.error = reason
