"""Taking submissions in: checked, posted to the journal, and acknowledged once they are durable there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import outcome
from blake3 import blake3

from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.ipc.access import Peer
from artifactd.daemon.ipc.greeting import INLINE_PACK
from artifactd.daemon.ipc.texts import MAX_LABELS, rules_of_texts
from artifactd.daemon.queue.group_commit import GroupCommit
from artifactd.daemon.queue.journal import Operation
from artifactd.daemon.queue.operations import Accept
from artifactd.daemon.queue.recovery import submission_of
from artifactd.daemon.queue.results import failure_of
from artifactd.daemon.queue.rows import Row
from artifactd.daemon.queue.submissions import Queue
from artifactd.protocol import names
from artifactd.protocol.codec import pack_body
from artifactd.protocol.errors import ArtifactdError, InvalidRequest, OutOfSpace
from artifactd.protocol.messages import Accepted, Message, Submit
from artifactd.protocol.states import State

__all__ = ["Intake", "check_submit"]

MAX_FILES = 10_000_000


class Intake:
    """Answers `Submit`. A resent one is answered from the journal, and changes nothing."""

    def __init__(self, *, writer: GroupCommit[Operation, Any], queue: Queue, home: Path, reserve: int) -> None:
        self._writer = writer
        self._queue = queue
        self._home = home
        self._reserve = reserve

    def submit(self, peer: Peer, submit: Submit, reply: Callable[[Message], None]) -> None:
        """Post it; `reply` is called with `Accepted` or `Failure` when the journal has it. Raises refusals."""
        check_submit(submit)
        self._check_space()
        # What identifies the request is all of it but for how often and by whom in the process it was tried.
        body = pack_body(replace(submit, lane=b"", seq=0, deadline=0))
        accept = Accept(
            uid=peer.uid,
            id=submit.id,
            body=body,
            body_hash=blake3(body).digest(),
            lane=submit.lane,
            seq=submit.seq,
            deadline=submit.deadline,
            after=submit.after,
        )

        def written(result: outcome.Outcome[Row]) -> None:
            try:
                row = result.unwrap()
            except ArtifactdError as error:
                reply(failure_of(error))
                return
            reach(Point.JOURNAL_WRITTEN)
            self._take_in(row, submit)
            reply(Accepted(id=row.id, position=row.position))

        self._writer.post(accept, written)

    def _check_space(self) -> None:
        status = os.statvfs(self._home)
        if status.f_bavail * status.f_frsize < self._reserve:
            raise OutOfSpace(
                f"less than the reserve of {self._reserve} bytes is free",
                subject=str(self._home),
                remedy="free space",
            )

    def _take_in(self, row: Row, submit: Submit) -> None:
        if row.state is State.ACCEPTED and self._queue.find(row.uid, row.id) is None:
            after = self._queue.find(row.uid, submit.after) if submit.after else None
            self._queue.accept(submission_of(row, submit), after)


def check_submit(submit: Submit) -> None:
    """Refuse a submission that breaks the rules; the client has checked the same before, a stranger has not."""
    names.check_entity(submit.entity)
    names.check_scope(submit.project, "project")
    names.check_artifact_name(submit.name)
    names.check_type(submit.type)
    for alias in submit.aliases:
        names.check_alias(alias)
    for tag in submit.tags:
        names.check_tag(tag)
    if submit.run is not None:
        names.check_scope(submit.run, "run id")
    if submit.base is not None:
        names.check_scope(submit.base[0], "project")
        names.check_artifact_name(submit.base[1])
    if submit.draft is not None:
        names.check_scope(submit.draft.distributed_id, "distributed id")
    problems = {
        "ids have 16 bytes": len(submit.id) == len(submit.lane) == 16,
        f"an artifact has at most {MAX_FILES} files": 0 <= submit.files <= MAX_FILES,
        "sizes are not negative": 0 <= submit.size < 1 << 62,
        "what is only used has no run that made it": not (submit.reuse and submit.run),
        "seq and deadline are positive": 0 <= submit.seq < 1 << 62 and 0 <= submit.deadline < 1 << 63,
        "a version's number is not negative": submit.base is None or 0 <= submit.base[2] < 1 << 62,
        "priority is a small number": -1_000_000 <= submit.priority <= 1_000_000,
        f"at most {MAX_LABELS} aliases and tags": len(submit.aliases) + len(submit.tags) <= MAX_LABELS,
        f"at most {INLINE_PACK} bytes come inside": len(submit.pack or b"") <= INLINE_PACK,
        "a part of a draft is logged after nothing": submit.draft is None or submit.after is None,
        "a part of a draft is no version that could be used": submit.draft is None or not submit.reuse,
        "the manifest comes inside or as one file": (submit.manifest is None) != (submit.manifest_file is None),
        **rules_of_texts(submit.description, submit.metadata, submit.ttl),
    }
    for rule, holds in problems.items():
        if not holds:
            raise InvalidRequest(f"submission refused: {rule}", subject=submit.name)
