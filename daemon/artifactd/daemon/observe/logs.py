"""Structured logs to standard error: for people on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import sys

import structlog

__all__ = ["configure"]


def configure() -> None:
    """Set the process's logging up, once."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not terminal),
            structlog.processors.dict_tracebacks,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
