"""The only ordered step: everything that may commit now, in one transaction of the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import trio

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.commit import MAX_HEADS
from artifactd.daemon.catalog.records import CommitRefused, Head
from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.queue import results
from artifactd.daemon.queue.ending import Ending
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.recovery import submit_of
from artifactd.daemon.queue.rows import Row
from artifactd.daemon.queue.submissions import Queue, Submission
from artifactd.protocol import messages
from artifactd.protocol.errors import InvalidRequest

__all__ = ["Committer"]

MAX_WEIGHT = 16 << 20
"""Bytes of journal rows that one transaction reads."""


class Committer:
    """Commits batches one after the other. A commit whose outcome is unknown is simply repeated:

    the catalog skips what it recorded and gives the outcome of then.
    """

    def __init__(
        self, *, queue: Queue, ending: Ending, journal: Journal, catalog: Catalog, calls: CatalogCalls
    ) -> None:
        self._queue = queue
        self._ending = ending
        self._journal = journal
        self._catalog = catalog
        self._calls = calls

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit until cancelled; a transaction under way is finished first."""
        task_status.started()
        while True:
            for batch in _by_weight(await self._queue.next_to_commit(MAX_HEADS)):
                await self._commit(batch)

    async def _commit(self, batch: Sequence[Submission]) -> None:
        """Commit what becomes a version; parts of drafts were registered before, and are done."""
        parts = [submission for submission in batch if submission.part_of is not None]
        if parts:
            await self._ending.committed([(submission, results.registered(submission)) for submission in parts])
        versions = [submission for submission in batch if submission.part_of is None]
        if versions:
            await self._commit_versions(versions)

    async def _commit_versions(self, batch: Sequence[Submission]) -> None:
        heads = await trio.to_thread.run_sync(self._heads, batch)
        reach(Point.BEFORE_COMMIT)
        outcomes = await self._calls.in_thread(partial(self._catalog.commit, heads))
        reach(Point.AFTER_COMMIT)
        committed: list[tuple[Submission, messages.Submission]] = []
        for submission, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, CommitRefused):
                if submission.draft is not None:
                    await self._calls.in_thread(partial(self._catalog.reopen_draft, submission.uid, submission.id))
                await self._ending.refused(
                    submission, InvalidRequest(outcome.reason, subject=submission.collection)
                )
            else:
                result = results.committed(submission, outcome.version, outcome.digest, outcome.warning)
                committed.append((submission, result))
        await self._ending.committed(committed)

    def _heads(self, batch: Sequence[Submission]) -> list[Head]:
        rows = self._journal.bodies([submission.position for submission in batch])
        return [_head(submission, rows[submission.position]) for submission in batch]


def _by_weight(submissions: Sequence[Submission]) -> Iterator[list[Submission]]:
    """Cut what was taken into transactions whose journal rows fit into memory together."""
    batch: list[Submission] = []
    weight = 0
    for submission in submissions:
        if batch and weight + submission.weight > MAX_WEIGHT:
            yield batch
            batch, weight = [], 0
        batch.append(submission)
        weight += submission.weight
    yield batch


def _head(submission: Submission, row: Row) -> Head:
    submit = submit_of(row.body)
    assert submission.manifest is not None
    files, size = submission.totals or (submission.files, submission.size)
    return Head(
        uid=row.uid,
        id=row.id,
        body_hash=row.body_hash,
        entity=submit.entity,
        project=submit.project,
        name=submit.name,
        type=submit.type,
        digest=submission.manifest,
        size=size,
        files=files,
        aliases=submit.aliases,
        tags=submit.tags,
        description=submit.description,
        metadata=submit.metadata,
        run=submit.run,
        accepted_at=row.accepted_at,
        ttl=submit.ttl,
        draft=None if submit.draft is None else submit.draft.distributed_id,
        reuse=submit.reuse,
    )
