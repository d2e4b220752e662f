"""The four bugs that the self-test of the harness plants into a daemon, in its own process."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from artifactd.daemon.catalog import commit
from artifactd.daemon.ipc.submit import Intake
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.sequencer import Sequencer
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol.endpoint import default_home
from artifactd.protocol.messages import Accepted, Submit
from harness.mischief import Bug

__all__ = ["plant"]

_JOURNAL_SECONDS = 0.1


def plant(bug: Bug) -> None:
    """Replace what makes the promise that `bug` breaks."""
    {
        Bug.EARLY_ACK: _acknowledge_early,
        Bug.NO_IDEMPOTENCY: _forget_keys,
        Bug.NO_SEQUENCER: _commit_in_any_order,
        Bug.EARLY_CLEANUP: _clean_early,
    }[bug]()


def _acknowledge_early() -> None:
    submit, write = Intake.submit, Journal.write

    def hasty(self: Intake, peer: Any, message: Submit, reply: Callable[[Any], None]) -> None:
        reply(Accepted(id=message.id, position=0))
        submit(self, peer, message, lambda _: None)

    def lazy(self: Journal, operations: Sequence[Any]) -> Any:
        time.sleep(_JOURNAL_SECONDS)
        return write(self, operations)

    Intake.submit = hasty  # type: ignore
    Journal.write = lazy  # type: ignore


def _forget_keys() -> None:
    row = commit._commit_row
    commit.recorded_outcomes = lambda connection, keys: {}
    commit._commit_row = lambda *item: row(*item) | {"submission_id": os.urandom(16)}


def _commit_in_any_order() -> None:
    def take(self: Sequencer, limit: int) -> list[int]:
        ready = [position for position, item in self._items.items() if item.ready and not item.taken]
        for position in ready[:limit]:
            self._items[position].taken = True
        return ready[:limit]

    Sequencer.take = take  # type: ignore


def _clean_early() -> None:
    ready = Queue.ready

    def hasty(self: Queue, submission: Submission, *manifest: Any) -> None:
        ready(self, submission, *manifest)
        shutil.rmtree(default_home() / "spool" / submission.id.hex(), ignore_errors=True)

    Queue.ready = hasty  # type: ignore
