"""Logging an artifact, and asking what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from artifactd.protocol.messages._connection import Failure

__all__ = ["Accepted", "DraftPart", "SpoolFile", "Submission", "Submit", "Wait"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """A file in the submission's spool directory that carries part of a message."""

    name: str
    size: int
    xxh3: bytes
    """XXH3-128 of its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPart:
    """Makes a submission one part of a version that several writers make together."""

    distributed_id: str
    """Names the draft within its collection."""
    finish: bool = False
    """Whether this is the last part: the version is committed, with all parts that were registered before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Log one artifact. Answered by `Accepted` once it is journalled; resent with the same id until then."""

    id: bytes
    """16 random bytes: the idempotency key, and the hex name of the spool directory."""
    lane: bytes
    """16 random bytes that name the calling thread."""
    seq: int
    """Ascends within the lane; an unknown id at or below the lane's last is refused."""
    deadline: int
    """CLOCK_BOOTTIME in nanoseconds after which the submission must not be accepted any more."""
    entity: str
    project: str
    name: str
    type: str
    files: int
    size: int
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str | None = None
    metadata: str = "{}"
    """A JSON object as text."""
    run: str | None = None
    """Id of the run that produced it."""
    after: bytes | None = None
    """Id of a submission of the same user that must commit first."""
    priority: int = 0
    """Higher is hashed and uploaded earlier; the order of commits does not change."""
    manifest: bytes | None = None
    """The drafted manifest, if it is small."""
    manifest_file: SpoolFile | None = None
    ttl: int | None = None
    """Seconds that the version is to live after its commit. Needs the feature `ttl`."""
    pack: bytes | None = None
    """Contents of the spool file `pack`, if they are small: then there is no such file."""
    base: tuple[str, str, int] | None = None
    """(project, name, version) of the same entity that entries with the source `BASE` are taken from.

    Needs the feature `base`.
    """
    draft: DraftPart | None = None
    """Set for a part of a draft. Needs the feature `drafts`."""
    reuse: bool = False
    """Any version with the same contents will do, and `latest` stays. Needs the feature `reuse`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The submission is in the journal and survives a kill of either process."""

    id: bytes
    position: int
    """Its place in the daemon's total order of acceptance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Long poll: answered by `Submission` when `until` is reached, it ended, or after `timeout` seconds."""

    id: bytes
    until: str = "committed"
    """`"durable"` or `"committed"`."""
    timeout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Where a submission stands. `version` is set once it is committed, `error` once it failed; sizes in bytes.

    With `part_of`, the distributed id of a draft, it is a part that others finish, and never has a version.
    """

    id: bytes
    state: str
    entity: str
    project: str
    name: str
    type: str
    durable: bool
    files: int
    files_done: int
    size: int
    bytes_done: int
    version: int | None = None
    digest: str | None = None
    warning: str | None = None
    error: Failure | None = None
    part_of: str | None = None
    waiting_for: str | None = None
    """Why it does not move now, for display."""
