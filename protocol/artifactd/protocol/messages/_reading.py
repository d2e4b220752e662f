"""Looking up and listing types, collections and versions."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Collection",
    "Collections",
    "GetCollections",
    "GetTypes",
    "GetVersion",
    "GetVersions",
    "Types",
    "Version",
    "Versions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVersion:
    """Look an address up. With `run`, the version is recorded as that run's input. Answered by `Version`."""

    entity: str
    project: str
    name: str
    alias: str
    type: str | None = None
    run: tuple[str, str, str] | None = None
    """(entity, project, id) of the run that uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A committed version. `size` is in bytes, `metadata` JSON text, `created_at` Unix seconds.

    >>> client.version("images:best").aliases
    ('best', 'latest')
    """

    entity: str
    project: str
    name: str
    type: str
    version: int
    digest: str
    files: int
    size: int
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    description: str | None
    metadata: str
    run: str | None
    """Id of the run that produced it, in the project of its contents: of `source` for a link."""
    created_at: float
    ttl: int | None = None
    """Seconds that it is to live after `created_at`."""
    revision: int = 0
    """Of its collection's aliases: grows whenever one of them moves."""
    source: tuple[str, str, str, int] | None = None
    """(entity, project, name, version) that a link points to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCollections:
    """Page through collections by (entity, project, name). Answered by `Collections`."""

    entity: str
    project: str | None = None
    after: tuple[str, str] | None = None
    """(project, name) of the last one seen."""
    limit: int = 100
    type: str | None = None
    """Only collections of this type. Needs the feature `filters`, like `name`."""
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One collection: its type, how many versions it holds, the newest one and when it was made."""

    entity: str
    project: str
    name: str
    type: str
    versions: int
    newest: int | None
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Collections:
    items: tuple[Collection, ...]
    more: bool
    total: int | None = None
    """How many there are on all pages; on the first page only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVersions:
    """Page through one collection's versions, newest first. Answered by `Versions`."""

    entity: str
    project: str
    name: str
    before: int | None = None
    limit: int = 100
    type: str | None = None
    """Refuse a collection of another type. Needs the feature `filters`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    items: tuple[Version, ...]
    more: bool
    total: int | None = None
    """How many there are on all pages; on the first page only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTypes:
    """The types of one project's collections. Answered by `Types`."""

    entity: str
    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    names: tuple[str, ...]
