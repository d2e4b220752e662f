"""What can go wrong with a request to the fake of Google Cloud Storage, and when it does."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

__all__ = ["Fault", "Faults", "Operation"]


class Operation(StrEnum):
    """What a request is about."""

    PUT = "put"
    BEGIN = "begin"
    CHUNK = "chunk"
    FINISH = "finish"
    QUERY = "query"
    CANCEL = "cancel"
    GET = "get"
    HEAD = "head"
    DELETE = "delete"
    LIST = "list"


class Fault(StrEnum):
    DROP = "the connection breaks after it took effect"
    UNAVAILABLE = "503"
    THROTTLED = "429"
    EXPIRED = "401: the token has expired"
    RESET = "the connection breaks in the middle of the body"
    KEEP_LESS = "a part of the chunk is persisted"
    KEEP_NOTHING = "nothing of the chunk is persisted"
    CORRUPT = "a bit of the body flips"
    STALE = "an object that is there is said not to be"
    GONE = "410: the session is gone"
    STALL = "nothing moves any more"


class Faults:
    """Faults that wait for the next requests of their operation, each for one."""

    def __init__(self) -> None:
        self._waiting: dict[Operation, deque[Fault | None]] = {}

    def inflict(self, operation: Operation, *faults: Fault | None) -> None:
        """Let the next requests of this operation suffer these, in order; None is no fault."""
        self._waiting.setdefault(operation, deque()).extend(faults)

    def take(self, operation: Operation) -> Fault | None:
        waiting = self._waiting.get(operation)
        return waiting.popleft() if waiting else None

    def clear(self) -> None:
        """Nothing more shall happen."""
        self._waiting.clear()

    @property
    def left(self) -> int:
        """How many have not struck yet."""
        return sum(map(len, self._waiting.values()))
