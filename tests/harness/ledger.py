"""What clients note of their calls, so that nothing they were promised is forgotten when they die."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from artifactd.client import ArtifactdError, LogHandle
from harness.contents import Shape

__all__ = ["Call", "Ledger", "now", "read_ledgers"]


def now() -> int:
    """Nanoseconds on one clock for all processes of this machine."""
    return time.monotonic_ns()


@dataclass(frozen=True, slots=True)
class Call:
    """One `log_artifact`. `began` and `returned` are of `now`; `id` is set if it was accepted.

    `error` is the code of what it raised. Neither: the client did not live to tell.
    """

    client: str
    number: int
    collection: str
    shape: Shape
    began: int
    returned: int | None = None
    id: str | None = None
    error: str | None = None

    @property
    def token(self) -> str:
        return f"{self.client}-{self.number}"


class Ledger:
    """The notes of one client, in one file; each line is written whole, and outlives the client."""

    def __init__(self, directory: Path, client: str) -> None:
        self._client = client
        self._file = os.open(directory / f"{client}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def began(self, number: int, collection: str, shape: Shape) -> None:
        self._write(client=self._client, number=number, collection=collection, shape=shape, began=now())

    def accepted(self, number: int, handle: LogHandle) -> None:
        self._write(number=number, returned=now(), id=handle.id)

    def refused(self, number: int, error: ArtifactdError) -> None:
        self._write(number=number, returned=now(), error=error.code)

    def _write(self, **note: object) -> None:
        os.write(self._file, json.dumps(note).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read_ledgers(directory: Path) -> list[Call]:
    """All calls of all clients, each client's in call order."""
    return [call for path in sorted(directory.glob("*.jsonl")) for call in _calls(path.read_text().splitlines())]


def _calls(lines: Iterable[str]) -> list[Call]:
    notes: dict[int, dict[str, object]] = {}
    for line in lines:
        note = json.loads(line)
        notes.setdefault(note["number"], {}).update(note)
    return [Call(**note) for note in notes.values()]  # type: ignore[arg-type]
