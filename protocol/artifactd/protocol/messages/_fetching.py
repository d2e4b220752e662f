"""Bringing the files of a version back."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAX_FETCH_PATHS", "Fetch", "FetchManifest", "Fetched"]

MAX_FETCH_PATHS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchManifest:
    """Put the version's manifest into the draft directory `landing` as `manifest`. Long poll; see `Fetched`."""

    entity: str
    project: str
    name: str
    version: int
    landing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Put the blobs of these entries into `landing`, each named by its digest's hex. Long poll; see `Fetched`.

    `paths` ascend and belong to the version; at most `MAX_FETCH_PATHS`. What lies there already is kept. A
    file with another link, or of another user, is the daemon's own: to be copied, not moved.
    """

    entity: str
    project: str
    name: str
    version: int
    landing: str
    paths: tuple[str, ...]
    skip_cache: bool = False
    """Fetch from the store, past the node's cache; an older daemon does not know how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Whether everything asked for has landed; if not, ask again with the same request."""

    done: bool
    bytes_done: int
    verified: tuple[str, ...] = ()
    """Files of the landing directory that came from the store for this request, and whose digests the daemon has
    computed from what they hold. Of others, which lay in the cache, it says nothing."""
