"""What a handle is told about its submission: the same message for a live one and for one that ended."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from artifactd.daemon.queue.submissions import Submission
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactdError
from artifactd.protocol.states import State

__all__ = ["committed", "describe", "dropped", "failure_of", "read", "registered", "write"]

write = msgspec.msgpack.encode
"""A final `messages.Submission` as it is kept in the journal."""

read = msgspec.msgpack.Decoder(messages.Submission).decode


def describe(submission: Submission) -> messages.Submission:
    """A live submission as its handle sees it."""
    return messages.Submission(
        id=submission.id,
        state=submission.state,
        entity=submission.entity,
        project=submission.project,
        name=submission.name,
        type=submission.type,
        durable=submission.durable,
        files=submission.files,
        files_done=submission.files_done,
        size=submission.size,
        bytes_done=submission.bytes_done,
        part_of=submission.part_of,
    )


def committed(submission: Submission, version: int, digest: str, warning: str | None) -> messages.Submission:
    """The end of one that has a version."""
    return replace(
        describe(submission),
        state=State.COMMITTED,
        durable=True,
        files_done=submission.files,
        bytes_done=submission.size,
        version=version,
        digest=digest,
        warning=warning,
    )


def registered(submission: Submission) -> messages.Submission:
    """The end of one that is a part of a draft."""
    return replace(
        describe(submission),
        state=State.COMMITTED,
        durable=True,
        files_done=submission.files,
        bytes_done=submission.size,
    )


def dropped(submission: Submission, state: State, error: ArtifactdError) -> messages.Submission:
    """The end of one that failed or was cancelled."""
    return replace(describe(submission), state=state, error=failure_of(error))


def failure_of(error: ArtifactdError) -> messages.Failure:
    """An error as it crosses the wire."""
    return messages.Failure(code=error.code, message=error.message, subject=error.subject, remedy=error.remedy)
