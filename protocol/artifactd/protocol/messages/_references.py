"""Asking at once what a reference stands for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FoundObject", "LookUp", "Resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """What is at `uri` now, for `entity`. Answered by `Resolved`. Needs the feature `references`."""

    entity: str
    uri: str
    limit: int
    """Refuse a prefix of more objects than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject:
    """One object, in the state in which it was found."""

    name: str
    """Relative to the prefix that was asked for; empty for the very object."""
    uri: str
    digest: str
    """`algorithm:value`; empty where its server offers no checksum."""
    size: int
    extra: tuple[tuple[str, str], ...] = ()
    """Names and values, by ascending name, that tell which state it was: `etag`, `versionId`, `generation`, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The object of that name; else what is below it as a prefix."""

    objects: tuple[FoundObject, ...]
