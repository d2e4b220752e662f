"""What a submission becomes in its collection: a version that is there, or the next number. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from artifactd.daemon.catalog.records import CommitRefused, Committed, Head

__all__ = ["LATEST", "CollectionState", "Known", "fold"]

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Known:
    """A version of a collection, as far as heads are compared with it."""

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
    newest: Known | None = None
    reusable: dict[str, Known] = field(default_factory=dict)
    """The newest live version of each digest that a head with `reuse` has."""
    moved: dict[str, int] = field(default_factory=dict)
    """Aliases that move, and the version each of them ends up at."""


def fold(state: CollectionState, head: Head) -> Committed | CommitRefused:
    """Give `head` its version and advance `state`; a refusal changes nothing."""
    if head.type != state.type:
        return CommitRefused(
            f"{head.entity}/{head.project}/{head.name} holds artifacts of type {state.type!r}, not {head.type!r}"
        )
    equal = state.reusable.get(head.digest) if head.reuse else state.newest
    if equal is not None and equal.digest == head.digest:
        result = Committed(equal.number, head.digest, created=False, warning=_ignored(head, equal))
    else:
        result = Committed(state.next_version, head.digest, created=True, warning=None)
        state.newest = Known(
            result.version, head.digest, head.description, head.metadata, frozenset(head.tags), head.ttl
        )
        state.reusable[head.digest] = state.newest
        state.next_version += 1
    # A version that is only used again is not what was logged last.
    latest = () if head.reuse and not result.created else (LATEST,)
    state.moved.update(dict.fromkeys((*head.aliases, *latest), result.version))
    return result


def _ignored(head: Head, known: Known) -> str | None:
    differing = [
        what
        for what, given, kept in (
            ("description", head.description, known.description),
            ("metadata", _parsed(head.metadata), _parsed(known.metadata)),
            ("tags", frozenset(head.tags), known.tags),
            ("ttl", head.ttl, known.ttl),
        )
        if given and given != kept
    ]
    if not differing:
        return None
    return f"the contents equal v{known.number}, which keeps its {', '.join(differing)}; those given were ignored"


def _parsed(metadata: str) -> object:
    # The order of keys means nothing. Numbers stay text: an integer of any size costs no time to read.
    return json.loads(metadata, parse_int=str, parse_float=str)
