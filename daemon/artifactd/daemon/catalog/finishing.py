"""The end of drafts, inside the transaction that commits their versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from artifactd.daemon.catalog.dialect import insert
from artifactd.daemon.catalog.draft_states import DraftState, may_become, move
from artifactd.daemon.catalog.drafts import drop_contents, merged_parts
from artifactd.daemon.catalog.folding import CollectionState
from artifactd.daemon.catalog.records import CommitRefused, Committed, Head
from artifactd.daemon.catalog.schema import draft_parts, drafts, run_outputs

__all__ = ["ClosedDrafts", "lock_drafts"]

_Key = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class ClosedDrafts:
    """The drafts that heads of one transaction have closed, locked."""

    connection: Connection
    _ids: dict[_Key, int]

    def complete(self, head: Head) -> Head | CommitRefused:
        """The head as it is to be committed: one that finishes a draft, with what its parts say together."""
        if head.draft is None:
            return head
        draft_id = self._ids.get((head.uid, head.id))
        if draft_id is None:
            return CommitRefused(f"the draft {head.draft!r} has expired, or was never closed by this submission")
        merged = merged_parts(self.connection, draft_id)
        return replace(
            head,
            aliases=tuple(merged.aliases),
            tags=tuple(merged.tags),
            description=merged.description,
            metadata=merged.metadata,
            ttl=merged.ttl,
        )

    def finish(self, fresh: Iterable[tuple[Head, CollectionState, Committed]]) -> None:
        """These heads have their versions: so have their drafts, and the runs of all parts."""
        for head, state, result in fresh:
            if head.draft is None:
                continue
            draft_id = self._ids[head.uid, head.id]
            move(self.connection, draft_id, DraftState.FINISHED, number=result.version)
            runs = self.connection.execute(
                select(draft_parts.c.run)
                .where(draft_parts.c.draft_id == draft_id, draft_parts.c.run.is_not(None))
                .distinct()
            ).scalars()
            outputs = [
                {
                    "entity": head.entity,
                    "project": head.project,
                    "run": run,
                    "collection_id": state.id,
                    "number": result.version,
                }
                for run in runs
            ]
            if outputs:
                self.connection.execute(insert(self.connection, run_outputs).on_conflict_do_nothing(), outputs)
            drop_contents(self.connection, draft_id)


def lock_drafts(connection: Connection, heads: Sequence[Head]) -> ClosedDrafts:
    """Lock the drafts that these heads have closed. Before collections: whoever registers locks so as well."""
    finishing = [head.id for head in heads if head.draft is not None]
    if not finishing:
        return ClosedDrafts(connection, {})
    rows = connection.execute(
        select(draft_parts.c.uid, draft_parts.c.submission_id, drafts.c.id)
        .join(drafts, drafts.c.id == draft_parts.c.draft_id)
        .where(draft_parts.c.submission_id.in_(finishing), draft_parts.c.finishes)
        .where(may_become(DraftState.FINISHED))
        .order_by(drafts.c.id)
        .with_for_update()
    )
    return ClosedDrafts(connection, {(uid, id): draft_id for uid, id, draft_id in rows})
