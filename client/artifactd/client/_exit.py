"""How the program is ending, as far as the interpreter lets anybody know."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn

__all__ = ["failed", "watch"]

_failed = False
_watching = False


def watch() -> None:
    """Take notice, from now on, of unhandled exceptions and of `sys.exit`. Changes nothing of what they do."""
    global _watching
    if not _watching:
        _watching = True
        sys.excepthook = _noting_exceptions(sys.excepthook)
        sys.exit = _noting_exits(sys.exit)


def failed() -> bool:
    """Whether the last word was an unhandled exception, or `sys.exit` with anything but success.

    A `sys.exit` that somebody caught counts as well, and `raise SystemExit(1)` does not: nobody can tell.
    """
    return _failed


def _noting_exceptions(shown: Callable[..., Any]) -> Callable[..., Any]:
    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        global _failed
        # At a prompt the program goes on after its errors.
        _failed = not hasattr(sys, "ps1")
        shown(kind, error, trace)

    return excepthook


def _noting_exits(exit: Callable[[Any], NoReturn]) -> Callable[..., NoReturn]:
    def noted(status: Any = None, /) -> NoReturn:
        global _failed
        # In any other thread it ends that thread alone.
        if threading.current_thread() is threading.main_thread():
            _failed = status not in (None, 0)
        exit(status)

    return noted
