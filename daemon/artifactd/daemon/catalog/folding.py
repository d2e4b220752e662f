"""What a submission becomes in its collection: the newest version again, or the next number. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from artifactd.daemon.catalog.records import CommitRefused, Committed, Head

__all__ = ["LATEST", "CollectionState", "Newest", "fold"]

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest version of a collection, as far as the next head is compared with it."""

    number: int
    digest: str
    description: str | None
    metadata: str
    tags: frozenset[str]
    ttl: int | None


@dataclass(slots=True)
class CollectionState:
    """A locked collection, folded forward head by head.

    `newest` is None where no head can equal it: there is no version yet, it was deleted, or it differs from all.
    """

    id: int
    type: str
    next_version: int
    revision: int
    newest: Newest | None = None
    moved: dict[str, int] = field(default_factory=dict)
    """Aliases that move, and the version each of them ends up at."""


def fold(state: CollectionState, head: Head) -> Committed | CommitRefused:
    """Give `head` its version and advance `state`; a refusal changes nothing."""
    if head.type != state.type:
        return CommitRefused(
            f"{head.entity}/{head.project}/{head.name} holds artifacts of type {state.type!r}, not {head.type!r}"
        )
    newest = state.newest
    if newest is not None and newest.digest == head.digest:
        result = Committed(newest.number, head.digest, created=False, warning=_ignored(head, newest))
    else:
        result = Committed(state.next_version, head.digest, created=True, warning=None)
        state.newest = Newest(
            result.version, head.digest, head.description, head.metadata, frozenset(head.tags), head.ttl
        )
        state.next_version += 1
    state.moved.update(dict.fromkeys((*head.aliases, LATEST), result.version))
    return result


def _ignored(head: Head, newest: Newest) -> str | None:
    differing = [
        what
        for what, given, kept in (
            ("description", head.description, newest.description),
            ("metadata", _parsed(head.metadata), _parsed(newest.metadata)),
            ("tags", frozenset(head.tags), newest.tags),
            ("ttl", head.ttl, newest.ttl),
        )
        if given and given != kept
    ]
    if not differing:
        return None
    return f"the contents equal v{newest.number}, which keeps its {', '.join(differing)}; those given were ignored"


def _parsed(metadata: str) -> object:
    # The order of keys means nothing. Numbers stay text: an integer of any size costs no time to read.
    return json.loads(metadata, parse_int=str, parse_float=str)
