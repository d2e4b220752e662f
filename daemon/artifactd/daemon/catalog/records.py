"""The records that go into the catalog and come out of it, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BlobLocation",
    "CatalogUnavailable",
    "CatalogUnusable",
    "CommitRefused",
    "Committed",
    "Fenced",
    "Head",
    "Outcome",
    "Part",
]


@dataclass(frozen=True, slots=True)
class Head:
    """A submission whose blobs and manifest are stored: all that its commit needs.

    `digest` is the manifest's, `size` counts bytes, `metadata` is JSON text, `accepted_at` is in Unix seconds
    and becomes the version's time. `(uid, id)` is the idempotency key and `body_hash` tells whether a repeated
    key means the same submission. `run` may name a run that the catalog does not know; `ttl` counts seconds.
    With `reuse`, any version with the digest will do.

    A head with `draft`, a distributed id, commits that draft, which it has closed: aliases, tags, description,
    metadata and ttl are then those of the parts together.
    """

    uid: int
    id: bytes
    body_hash: bytes
    entity: str
    project: str
    name: str
    type: str
    digest: str
    size: int
    files: int
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    description: str | None
    metadata: str
    run: str | None
    accepted_at: float
    ttl: int | None = None
    reuse: bool = False
    draft: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one writer gives to the draft `distributed_id` of a collection, but for its entries.

    `(uid, id)` and `body_hash` are the submission's, as in `Head`. `writer` tells the other writers who it is.
    One that `finishes` closes the draft.
    """

    uid: int
    id: bytes
    body_hash: bytes
    entity: str
    project: str
    name: str
    type: str
    distributed_id: str
    finishes: bool
    writer: str
    run: str | None
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    description: str | None
    metadata: str
    ttl: int | None


@dataclass(frozen=True, slots=True)
class Committed:
    """The version a head resolved to; `created` is False where a version had the same contents."""

    version: int
    digest: str
    created: bool
    warning: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a committed submission, as recorded with its commit."""

    body_hash: bytes
    entity: str
    project: str
    name: str
    type: str
    version: int
    digest: str
    created: bool
    warning: str | None


@dataclass(frozen=True, slots=True)
class BlobLocation:
    """Where a blob's bytes lie in the store: `length` bytes from `offset` of the object under `key`."""

    key: str
    offset: int
    length: int


class CommitRefused(Exception):
    """The rules or the database refuse this head for good; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CatalogUnavailable(Exception):
    """The database could not answer now: locked, out of space, an I/O error, a lost connection.

    A write may have taken effect. Repeating it is safe: every write of the catalog is idempotent.
    """


class CatalogUnusable(Exception):
    """This daemon can't use the catalog as it is: repeating will not help, an operator must act."""


class Fenced(Exception):
    """What this daemon writes does not count any more: it must join again, and begin what is unfinished anew."""
