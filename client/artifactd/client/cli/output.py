"""What commands print: tables for people, tab-separated lines for pipes, JSON on request, errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

__all__ = ["cell", "complain", "fields", "is_terminal", "moment", "print_json", "table"]

_TRANSLATE = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


def is_terminal() -> bool:
    return sys.stdout.isatty()


def complain(error: BaseException) -> None:
    """Print an error, which names what to do about it."""
    print(f"artifactd: error: {error}", file=sys.stderr)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def cell(value: object) -> str:
    """One value in a table: `-` for nothing, lists joined by commas."""
    if value is None or value == "" or value == ():
        return "-"
    if isinstance(value, (list, tuple)):
        return ",".join(cell(item) for item in value)
    return str(value).translate(_TRANSLATE)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows: aligned under `head` on a terminal, else as bare tab-separated lines.

    Without rows, `empty` is said on stderr.
    """
    if not is_terminal():
        lines = 0
        for row in rows:
            lines += 1
            print("\t".join(cell(value) for value in row))
        if not lines:
            print(empty, file=sys.stderr)
        return
    cells = [[cell(value) for value in row] for row in rows]
    if not cells:
        print(empty, file=sys.stderr)
        return
    widths = [max(len(row[column]) for row in (head, *cells)) for column in range(len(head))]
    for row in (head, *cells):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print named values, one a line."""
    listed = [(name, cell(value)) for name, value in pairs]
    width = max(len(name) for name, _ in listed) if is_terminal() else 0
    for name, value in listed:
        print(f"{name.ljust(width)}  {value}" if width else f"{name}\t{value}")


def moment(seconds: float) -> str:
    """Unix seconds as local time."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
