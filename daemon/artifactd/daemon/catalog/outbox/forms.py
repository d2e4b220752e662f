"""What a record says: the present state of one collection or run. Times are Unix seconds, sizes bytes.

A record has the whole head of its stream, and of a collection the versions that changed since the record before:
each version in full, and the commits that are new. Whoever reads all records of a stream has all of it: of heads
and of versions, those of the highest revision count, while commits only ever come to those there are.

Types and bounds here are what decoding checks; what a name may be is checked by whoever reads.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = [
    "FORMAT",
    "Alias",
    "AliasPage",
    "CollectionRecord",
    "CommitForm",
    "DraftForm",
    "InputPage",
    "PartForm",
    "RunRecord",
    "VersionAddress",
    "VersionForm",
]

FORMAT = 1
"""Grows when older releases would misunderstand what they read."""

Number = Annotated[int, Meta(ge=0, le=(1 << 62))]
Uid = Annotated[int, Meta(ge=0, le=(1 << 62))]
Moment = Annotated[float, Meta(ge=-1e12, le=1e12)]
Label = Annotated[str, Meta(min_length=1, max_length=1000)]
Text = Annotated[str, Meta(max_length=64 << 20)]
Id = Annotated[bytes, Meta(max_length=64)]


class Alias(Struct, frozen=True, array_like=True):
    """An alias, and the collection's revision when it came to point to the version `number`."""

    name: Label
    number: Number
    revision: Number


class VersionAddress(Struct, frozen=True, array_like=True):
    """A version of any collection."""

    entity: Label
    project: Label
    name: Label
    number: Number


class PartForm(Struct, frozen=True):
    """Who took part in a draft that has become a version; parts come in the order of registration."""

    uid: Uid
    submission_id: Id
    body_hash: Id
    writer: Text
    run: Text | None
    finishes: bool
    ttl: Number | None


class DraftForm(Struct, frozen=True):
    """A draft that has become a version: it refuses those who come late."""

    distributed_id: Text
    type: Label
    touched_at: Moment
    parts: tuple[PartForm, ...]


class CommitForm(Struct, frozen=True):
    """A submission, and what became of it: the answer to whoever submits it again."""

    uid: Uid
    submission_id: Id
    body_hash: Id
    number: Number
    created: bool
    warning: Text | None


class VersionForm(Struct, frozen=True):
    """A version with all that is kept for it.

    `source` is what a link points to; `outputs` are the ids of the project's runs that logged it.
    """

    number: Number
    digest: Label
    files: Number
    size: Number
    description: Text | None
    metadata: Text
    run: Text | None
    created_at: Moment
    deleted_at: Moment | None
    ttl: Number | None
    tags: tuple[Label, ...]
    source: VersionAddress | None
    outputs: tuple[Text, ...]
    drafts: tuple[DraftForm, ...]


class AliasPage(Struct, frozen=True):
    """Aliases for which a collection's record has no room."""

    aliases: tuple[Alias, ...]


class InputPage(Struct, frozen=True):
    """Inputs for which a run's record has no room."""

    inputs: tuple[VersionAddress, ...]


class CollectionRecord(Struct, frozen=True, tag="collection", tag_field="record"):
    """A collection's head, and those of its versions and commits that changed.

    `id` orders the collections of a catalog by age. `pages` are the digests of objects with more `aliases`.
    """

    format: int
    entity: Label
    project: Label
    name: Label
    id: Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]
    type: Label
    next_version: Number
    created_at: Moment
    revision: Number
    ttl: Number | None
    keep_last: Number | None
    keep_aliased: bool
    aliases: tuple[Alias, ...]
    pages: tuple[Label, ...]
    versions: tuple[VersionForm, ...]
    commits: tuple[CommitForm, ...]


class RunRecord(Struct, frozen=True, tag="run", tag_field="record"):
    """A run and what it used. `pages` are the digests of objects with more `inputs`."""

    format: int
    entity: Label
    project: Label
    name: Label
    uid: Uid
    title: Text
    job_type: Text | None
    group: Text | None
    config: Text
    host: Text
    pid: int
    lock: Text | None
    state: Label
    started_at: Moment
    ended_at: Moment | None
    inputs: tuple[VersionAddress, ...]
    pages: tuple[Label, ...]
