"""What a test asks of the daemon that it starts: where to die, where to stand still, which bug to have."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from artifactd.protocol.states import TERMINAL, State

__all__ = ["UNFINISHED", "Bug", "Gate", "Hold", "Mischief", "StateCounts"]

_VARIABLE = "HARNESS_MISCHIEF"

UNFINISHED = tuple(state for state in State if state not in TERMINAL)


class Bug(StrEnum):
    """What the self-test of the harness plants."""

    EARLY_ACK = "acknowledges before the journal commit"
    NO_IDEMPOTENCY = "commits without an idempotency key"
    NO_SEQUENCER = "commits in any order"
    EARLY_CLEANUP = "cleans the spool before the commit"


class Hold(StrEnum):
    """Where the daemon waits while a gate is closed."""

    HASHING = "before a file is hashed"
    MID_HASH = "while a file is hashed"
    SYNC = "before the spool is synced"


@dataclass(frozen=True)
class Mischief:
    """`kill_at` is a crash point, at whose `kill_count`-th passing the daemon kills itself.

    `holds` maps a `Hold` to the file of a `Gate`; `boot` stands for the kernel's boot id; `states` is the
    file of a `StateCounts`. `release` is what the daemon calls its own; with `migrates` it has one more migration
    than this one.
    """

    kill_at: str | None = None
    kill_count: int = 1
    bug: Bug | None = None
    holds: Mapping[Hold, str] = field(default_factory=dict)
    boot: str | None = None
    states: str | None = None
    release: str | None = None
    migrates: bool = False

    def environ(self) -> dict[str, str]:
        return {_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environ(cls) -> Mischief:
        return cls(**json.loads(os.environ.get(_VARIABLE, "{}")))


class Gate:
    """A file lock: while a test holds it closed, the daemon waits where its `Hold` says."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        path.touch()

    @contextmanager
    def closed(self) -> Iterator[None]:
        with open(self.path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @staticmethod
    def pass_through(path: str) -> None:
        """Wait until the gate is open."""
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)


class StateCounts:
    """Numbers of unfinished submissions by state, in memory that outlives the process which wrote them."""

    _CELL = struct.Struct("=I")

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        with path.open("a+b") as file:
            file.truncate(self._CELL.size * len(UNFINISHED))
            self._memory = mmap.mmap(file.fileno(), 0)

    def __setitem__(self, state: State, count: int) -> None:
        if state in UNFINISHED:
            self._CELL.pack_into(self._memory, self._CELL.size * UNFINISHED.index(state), count)

    def __getitem__(self, state: State) -> int:
        count: int = self._CELL.unpack_from(self._memory, self._CELL.size * UNFINISHED.index(state))[0]
        return count

    def clear(self) -> None:
        for state in UNFINISHED:
            self[state] = 0

    def present(self) -> list[State]:
        """The states in which at least one submission is."""
        return [state for state in UNFINISHED if self[state]]
