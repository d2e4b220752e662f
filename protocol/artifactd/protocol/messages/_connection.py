"""Greeting the daemon, its status, and answers that say only that something worked or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Done", "Failure", "GetStatus", "Hello", "StatusSnapshot", "Welcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first request on a connection. Answered by `Welcome`."""

    client_version: str
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What the client needs to know of this daemon."""

    daemon_version: str
    features: tuple[str, ...]
    spool: str
    """Directory in which clients make their drafts; on the filesystem of the daemon's state."""
    reserve: int
    """Bytes of that filesystem which clients leave free."""
    in_place: bool
    """Whether this peer's `immutable` files are read where they are (else they are snapshotted)."""
    inline_manifest: int
    """Largest drafted manifest that travels inside `Submit`; a larger one is a file in the spool."""
    cache: str = ""
    """Directory of blobs that this peer may read, `<aa>/<rest>` of a digest's hex; empty where it may not."""
    inline_pack: int = 0
    """Bytes of small files that may travel inside `Submit` in place of a file in the spool."""
    runs: str = ""
    """Directory in which each open run has a locked file, a JSON object of `entity`, `project` and `id`; empty
    where the daemon does not look for crashed runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that was refused, or why a submission failed."""

    code: str
    message: str
    subject: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The request took effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStatus:
    """Ask for the daemon's status, with at most `limit` of the user's unfinished or failed submissions."""

    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSnapshot:
    """The object that `artifactd status --json` prints; `docs/status.md` documents it."""

    status: dict[str, Any] = field(default_factory=dict)
