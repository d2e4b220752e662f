"""Counts what passes a proxy on its way to an S3 server."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

__all__ = ["Wire"]


class Wire:
    """Counts the parts that begin to pass, and all bytes; cuts requests off that `cut` says."""

    def __init__(self) -> None:
        self.parts: Counter[int] = Counter()
        self.bytes = 0
        self.cut: Callable[[bytes], bool] = lambda line: False

    def upstream(self, data: bytes) -> bytes | None:
        self.bytes += len(data)
        line = data.split(b"\r\n", 1)[0]
        if self.cut(line):
            return None
        if match := re.match(rb"PUT .*partNumber=(\d+)", line):
            self.parts[int(match[1])] += 1
        return data
