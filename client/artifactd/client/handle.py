"""`LogHandle`: what became of one logged artifact, asked from the daemon."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from artifactd.client._arguments import check_number, wrong
from artifactd.client._connection import now
from artifactd.protocol.errors import (
    ArtifactdError,
    ArtifactFailed,
    CatalogUnavailable,
    DaemonUnavailable,
    WaitTimeout,
    from_code,
)
from artifactd.protocol.messages import GetVersion, Submission, Version, Wait
from artifactd.protocol.states import TERMINAL, State

if TYPE_CHECKING:
    from concurrent.futures import Future

    from artifactd.client._link import Link
    from artifactd.client.artifact import Artifact

__all__ = ["LogHandle", "Progress", "progress_of"]

_PACKAGE = os.path.dirname(__file__) + os.sep
_POLL = 10.0
"""Seconds of one long poll."""


class Progress(NamedTuple):
    """How far the daemon has got with one artifact: files and bytes, done of total.

    >>> handle.progress
    Progress(files_done=2, files=2, bytes_done=6, bytes=6)
    """

    files_done: int
    files: int
    bytes_done: int
    bytes: int


class LogHandle:
    """A logged artifact on its way to becoming a version.

    Survives restarts of the daemon; `client.handle(id)` makes one again in any process of the same user.
    Attributes of the committed artifact (`version`, `digest`, `aliases`, …) can be read from the handle, and those
    that `save` writes assigned to it. Usable from every thread. Whatever asks the daemon raises
    `DaemonUnavailable`, and `ArtifactNotFound` if it does not know the id.

    >>> handle = artifactd.log_artifact("checkpoint.pt", name="model", type="model")
    >>> handle.wait(timeout=60.0).version
    'v0'
    """

    def __init__(self, link: Link, id: bytes, artifact: Artifact | None = None) -> None:
        self._link = link
        self._id = id
        self._artifact = artifact
        self._ended: Submission | None = None
        self._lock = threading.Lock()
        self._future: Future[Artifact] | None = None

    def __repr__(self) -> str:
        return f"<LogHandle {self.id}>"

    @property
    def id(self) -> str:
        """32 hex digits, for `Client.handle`."""
        return self._id.hex()

    @property
    def state(self) -> str:
        """`accepted`, `hashing`, `uploading`, `ready`, `committed`, `failed` or `cancelled`, now."""
        return self.look().state

    @property
    def progress(self) -> Progress:
        """Files and bytes done of total, now."""
        return progress_of(self.look())

    @property
    def part_of(self) -> str | None:
        """The distributed id, if this was upserted: then it is done when its part is registered."""
        return self.look().part_of

    def look(self, timeout: float = 0.0) -> Submission:
        """The daemon's own words on the submission: now, or when it ended, or after `timeout` seconds.

        >>> handle.look().state
        'committed'
        """
        return self._poll("committed", timeout, None)

    def done(self) -> bool:
        """Whether it is committed, failed or cancelled.

        >>> handle.done()
        True
        """
        return self.look().state in TERMINAL

    def wait(self, timeout: float | None = None, until: Literal["durable", "committed"] = "committed") -> Artifact:
        """Wait until the artifact is `"durable"` on this node or `"committed"`, and return it.

        Raises `WaitTimeout` after `timeout` seconds (the work goes on), `ArtifactFailed` or `FileChanged`
        with the file and the reason when there will be no version, `DaemonUnavailable` or
        `CatalogUnavailable` when one of them stays away for longer than the client's timeout. Interrupting
        the wait stops nothing: wait again.

        >>> handle = client.log_artifact("checkpoint.pt", name="model", type="model")
        >>> durable = handle.wait(timeout=60.0, until="durable")
        >>> handle.wait().version
        'v0'
        """
        end = None if timeout is None else now() + check_number(timeout, "timeout")
        if until not in ("durable", "committed"):
            raise wrong("until", "'durable' or 'committed'", until)
        while True:
            left = _POLL if end is None else max(0.0, end - now())
            try:
                submission = self._poll(until, min(left, _POLL), end)
            except (CatalogUnavailable, DaemonUnavailable) as error:
                if end is None or now() < end:
                    raise
                away = "daemon" if isinstance(error, DaemonUnavailable) else "catalog"
                raise self._timed_out(timeout, f"the {away} does not answer") from error
            if submission.state in TERMINAL or (until == "durable" and submission.durable):
                return self._result(submission)
            if end is not None and now() >= end:
                raise self._timed_out(timeout, _standing(submission))

    def add_done_callback(self, callback: Callable[[LogHandle], object]) -> None:
        """Call `callback(handle)` from a background thread once `wait()` would return or raise.

        >>> from queue import Queue
        >>> ended = Queue()
        >>> handle.add_done_callback(ended.put)
        >>> ended.get(timeout=60.0).version
        'v0'
        """
        self._watch().add_done_callback(lambda _: callback(self))

    def __await__(self) -> Generator[Any, Any, Artifact]:
        """`await handle`, under asyncio or trio: like `wait()`. Cancelling the await cancels nothing else.

        >>> import asyncio
        >>> async def train():
        ...     return await run.log_artifact("checkpoint.pt", name="model", type="model")
        >>> asyncio.run(train()).version
        'v0'
        """
        # Whoever awaits under a framework has imported it; the client itself imports neither.
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_task():
            waiting: Generator[Any, Any, Artifact] = trio.to_thread.run_sync(
                self.wait, abandon_on_cancel=True
            ).__await__()
            return waiting
        asyncio: Any = sys.modules["asyncio"]
        shielded: Generator[Any, Any, Artifact] = asyncio.shield(asyncio.wrap_future(self._watch())).__await__()
        return shielded

    def __getattr__(self, name: str) -> Any:
        from artifactd.client.artifact import Artifact

        if name.startswith("_") or not hasattr(Artifact, name):
            raise AttributeError(f"LogHandle has no attribute {name!r}")
        return getattr(self.resolve(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        from artifactd.client.artifact import Artifact

        if name.startswith("_") or hasattr(LogHandle, name):
            super().__setattr__(name, value)
        elif isinstance(getattr(Artifact, name, None), property):
            setattr(self.resolve(), name, value)
        else:
            raise AttributeError(f"LogHandle has no attribute {name!r}")

    def resolve(self) -> Artifact:
        """The artifact as the daemon knows it now: with its version, if it is committed.

        >>> handle.resolve().version
        'v0'
        """
        return self._artifact_of(self.look())

    def _poll(self, until: str, timeout: float, deadline: float | None) -> Submission:
        if self._ended is not None:
            return self._ended
        # A daemon that answers at the very end of the poll still has a moment to do so.
        limit = None if deadline is None else deadline + 1.0
        submission = self._link.request(
            Wait(id=self._id, until=until, timeout=timeout), Submission, patience=timeout, deadline=limit
        )
        if submission.state in TERMINAL:
            self._end(submission)
        return submission

    def _end(self, submission: Submission) -> None:
        with self._lock:
            first, self._ended = self._ended is None, submission
        if first and submission.warning:
            warnings.warn(f"{submission.name}: {submission.warning}", UserWarning, stacklevel=_users_level())

    def _result(self, submission: Submission) -> Artifact:
        if submission.state in (State.FAILED, State.CANCELLED):
            raise _failure(submission)
        return self._artifact_of(submission)

    def _artifact_of(self, submission: Submission) -> Artifact:
        from artifactd.client.artifact import Artifact

        if self._artifact is None:
            self._artifact = Artifact(submission.name, submission.type)
            self._artifact._accepted(self)
        if submission.version is not None and self._artifact._version is None:
            version = self._link.request(
                GetVersion(
                    entity=submission.entity,
                    project=submission.project,
                    name=submission.name,
                    alias=f"v{submission.version}",
                ),
                Version,
            )
            self._artifact._settle(version, self._link)
        return self._artifact

    def _timed_out(self, timeout: float | None, reason: str) -> WaitTimeout:
        return WaitTimeout(
            f"not there after {timeout} s: {reason}", subject=self.id, remedy="the daemon goes on; wait again"
        )

    def _watch(self) -> Future[Artifact]:
        from concurrent.futures import Future

        with self._lock:
            if self._future is None:
                self._future = Future()
                threading.Thread(
                    target=self._follow, args=(self._future,), name=f"artifactd-{self.id[:8]}", daemon=True
                ).start()
            return self._future

    def _follow(self, future: Future[Artifact]) -> None:
        try:
            future.set_result(self.wait())
        except ArtifactdError as error:
            future.set_exception(error)
        except BaseException as error:
            future.set_exception(error)
            raise


def _users_level() -> int:
    """The `stacklevel` at which the caller, were it to warn, would point into the program that uses it."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level


def _failure(submission: Submission) -> ArtifactFailed:
    error = submission.error
    if error is None:
        return ArtifactFailed(f"the submission was {submission.state}", subject=submission.name)
    cause = from_code(error.code, error.message, subject=error.subject, remedy=error.remedy)
    if isinstance(cause, ArtifactFailed):
        return cause
    return ArtifactFailed(error.message, subject=error.subject or submission.name, remedy=error.remedy)


def _standing(submission: Submission) -> str:
    waits = f", waiting for {submission.waiting_for}" if submission.waiting_for else ""
    return f"it is {submission.state}{waits}"


def progress_of(submission: Submission) -> Progress:
    """The progress that the daemon reported."""
    return Progress(submission.files_done, submission.files, submission.bytes_done, submission.size)
