"""Structured logs to standard error: for people on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import io
import sys
from contextlib import suppress

import structlog

__all__ = ["configure"]


class _Unbreakable(io.TextIOWrapper):
    """Standard error whose reader may go away: a log line that nobody reads must not stop the daemon."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            super().flush()


def configure() -> None:
    """Set the process's logging up, once."""
    terminal = sys.stderr.isatty()
    stream = _Unbreakable(io.FileIO(sys.stderr.fileno(), "wb", closefd=False), line_buffering=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not terminal),
            structlog.processors.dict_tracebacks,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
