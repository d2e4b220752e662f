"""Changing, deleting and linking committed versions."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DeleteVersion", "EditVersion", "LinkVersion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditVersion:
    """Change a committed version, all of it or nothing. Answered by the `Version` as it is then.

    A field that is None stays as it is. One that changes comes with what its editor saw; where the catalog has
    neither that nor the new value any more, the whole edit is refused with `Conflict`.
    """

    entity: str
    project: str
    name: str
    version: int
    revision: int
    """As seen in `Version`: an alias that moved later cannot be taken from where it is now."""
    description: tuple[str | None, str | None] | None = None
    """(seen, new)."""
    metadata: tuple[bytes, str] | None = None
    """(BLAKE3 of the text seen, new text)."""
    ttl: tuple[int | None, int | None] | None = None
    """(seen, new) seconds."""
    add_aliases: tuple[str, ...] = ()
    """Moved here from the versions that have them."""
    remove_aliases: tuple[str, ...] = ()
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVersion:
    """Delete a version, or a link without its source. Answered by `Done`, also when it was deleted before."""

    entity: str
    project: str
    name: str
    version: int
    delete_aliases: bool = False
    """Whether aliases go with it; else one that has some is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkVersion:
    """Make a version of another collection that points to this one. Answered by that `Version`.

    A version that is linked there already only gets the aliases. The same `id` takes effect once.
    """

    id: bytes
    """16 random bytes: the idempotency key."""
    entity: str
    project: str
    name: str
    version: int
    target: tuple[str, str, str]
    """(entity, project, name) of the collection that gets the link."""
    aliases: tuple[str, ...] = ()
    """Moved to the link, and `latest` with them."""
