"""After a start: what of the journal is to be done again, what is done, and what was lost with the power."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.queue import results
from artifactd.daemon.queue.ending import Ending, predecessor_failed
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.rows import Row
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol.errors import ArtifactFailed
from artifactd.protocol.messages import Submit
from artifactd.protocol.states import State

__all__ = ["recover", "submission_of", "submit_of"]

_PAGE = 1_000

submit_of = msgspec.msgpack.Decoder(Submit).decode
"""The body of a journal row as the request it was, without deadline and lane."""


def submission_of(row: Row, submit: Submit) -> Submission:
    """The live form of an accepted row."""
    return Submission(
        position=row.position,
        uid=row.uid,
        id=row.id,
        entity=submit.entity,
        project=submit.project,
        name=submit.name,
        type=submit.type,
        files=submit.files,
        size=submit.size,
        priority=submit.priority,
        accepted_at=row.accepted_at,
        weight=len(row.body),
        durable=row.durable,
        draft=submit.draft,
    )


async def recover(queue: Queue, journal: Journal, ending: Ending, catalog: Catalog) -> int:
    """Fill the queue from the journal, a page at a time, and return how many submissions go on."""
    position = 0
    while rows := await trio.to_thread.run_sync(journal.unfinished, position, _PAGE):
        lost = [submission for row in rows if (submission := await _take_up(row, queue, journal, ending))]
        await _judge_after_reboot(lost, ending, catalog)
        position = rows[-1].position
    return len(queue)


async def _take_up(row: Row, queue: Queue, journal: Journal, ending: Ending) -> Submission | None:
    """Put a row into the queue; returns the submission if its files may have been lost with the power."""
    submit = submit_of(row.body)
    submission = submission_of(row, submit)
    predecessor = queue.find(row.uid, submit.after) if submit.after else None
    queue.accept(submission, predecessor)
    if row.boot != journal.boot and not row.durable:
        return submission
    if submit.after and predecessor is None:
        ended = await trio.to_thread.run_sync(journal.find, row.uid, submit.after)
        if ended is None or ended.state is not State.COMMITTED:
            await ending.failed((submission, predecessor_failed(submit.after)))
    return None


async def _judge_after_reboot(lost: Sequence[Submission], ending: Ending, catalog: Catalog) -> None:
    """Their files may be gone or zeroed and look whole: only what the catalog has is known to be right."""
    if not lost:
        return
    keys = [(submission.uid, submission.id) for submission in lost]
    outcomes = await trio.to_thread.run_sync(catalog.outcomes, keys)
    parts = await trio.to_thread.run_sync(catalog.registered_parts, keys)
    settled = [
        (submission, results.committed(submission, outcome.version, outcome.digest, outcome.warning))
        for submission, key in zip(lost, keys, strict=True)
        if (outcome := outcomes.get(key))
    ]
    # All that a part brought is in the catalog: one that finishes goes on with that.
    settled += [
        (submission, results.registered(submission))
        for submission, key in zip(lost, keys, strict=True)
        if key in parts and submission.part_of is not None
    ]
    await ending.settled(settled)
    reason = ArtifactFailed("the machine went down before its files were on the disk", remedy="log it again")
    known = outcomes.keys() | parts
    left = [submission for submission, key in zip(lost, keys, strict=True) if key not in known]
    await ending.failed(*((submission, reason) for submission in left))
