"""One line on a terminal that says how far things are."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from artifactd.client._format import transfer
from artifactd.client.handle import LogHandle, progress_of
from artifactd.protocol.errors import ArtifactFailed, WaitTimeout
from artifactd.protocol.messages import Submission

__all__ = ["Line", "follow", "wait"]

_REFRESH = 0.5
"""Seconds between two looks at a submission."""


class Line:
    """A line on stderr that is written over, and gone at the end. Silent unless stderr is a terminal."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.show("")

    def show(self, text: str) -> None:
        if self.shown:
            width = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
            sys.stderr.flush()


def wait(handle: LogHandle, line: Line, timeout: float | None = None, label: str = "") -> None:
    """`handle.wait(timeout)`, shown on `line`. Raises what it raises."""
    if not line.shown:
        handle.wait(timeout)
        return
    start = time.monotonic()
    first: int | None = None
    while True:
        submission = handle.look()
        first = submission.bytes_done if first is None else first
        elapsed = time.monotonic() - start
        rate = (submission.bytes_done - first) / elapsed if elapsed > _REFRESH else None
        line.show(f"{label}{_describe(submission, rate)}")
        left = _REFRESH if timeout is None else min(_REFRESH, timeout - elapsed)
        try:
            handle.wait(max(0.0, left))
        except WaitTimeout:
            if timeout is not None and elapsed >= timeout:
                raise
        else:
            return


def follow(handles: Sequence[LogHandle]) -> list[ArtifactFailed]:
    """Wait for all of them, shown on one line; returns the failures."""
    failures = []
    with Line() as line:
        for index, handle in enumerate(handles, 1):
            try:
                wait(handle, line, label=f"artifact {index} of {len(handles)}: ")
            except ArtifactFailed as error:
                failures.append(error)
    return failures


def _describe(submission: Submission, rate: float | None) -> str:
    progress = progress_of(submission)
    moved = transfer(progress.bytes_done, progress.bytes, rate)
    return f"{submission.name}: {submission.state}, {progress.files_done}/{progress.files} files, {moved}"
