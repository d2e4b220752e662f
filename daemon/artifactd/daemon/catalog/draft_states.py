"""The states of a draft, and the one table of their moves.

    open ──(a finishing part)──► closed ──(its commit)──► finished
      ▲                            │
      └──(it failed)───────────────┘      open, closed ──(nobody came for long)──► expired

`closed` belongs to the part that finishes: no other is taken. Finished and expired drafts stay, without their
entries, to refuse those who come late and to know again those who repeat themselves.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ColumnElement, Connection

from artifactd.daemon.catalog.schema import drafts
from artifactd.protocol.states import IllegalTransition

__all__ = ["DraftState", "may_become", "move"]


class DraftState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    FINISHED = "finished"
    EXPIRED = "expired"


_MOVES = {
    DraftState.OPEN: {DraftState.CLOSED, DraftState.EXPIRED},
    DraftState.CLOSED: {DraftState.OPEN, DraftState.FINISHED, DraftState.EXPIRED},
    DraftState.FINISHED: set[DraftState](),
    DraftState.EXPIRED: set[DraftState](),
}


def may_become(state: DraftState) -> ColumnElement[bool]:
    """Narrows down to the drafts that may move to `state`."""
    return drafts.c.state.in_([source for source, targets in _MOVES.items() if state in targets])


def move(connection: Connection, draft_id: int, state: DraftState, **values: object) -> None:
    """Move a locked draft to `state`, with other `values`, or raise `IllegalTransition`."""
    result = connection.execute(
        drafts.update().where(drafts.c.id == draft_id, may_become(state)).values(state=state, **values)
    )
    if result.rowcount != 1:
        raise IllegalTransition(f"draft {draft_id} -> {state}")
