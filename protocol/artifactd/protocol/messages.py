"""Every message that crosses the socket, as frozen dataclasses, and the one table of their tags.

Requests come from clients, replies from the daemon; a reply carries its request's id in the envelope.
Ids, lanes and hashes are raw bytes; times ending in `_at` are Unix seconds; sizes are bytes.
Unknown fields are ignored, so a field that changes the meaning of a request needs a feature in `Welcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "MAX_FETCH_PATHS",
    "TAGS",
    "Accepted",
    "Collection",
    "Collections",
    "Done",
    "Failure",
    "Fetch",
    "FetchManifest",
    "Fetched",
    "FinishRun",
    "GetCollections",
    "GetStatus",
    "GetVersion",
    "GetVersions",
    "Hello",
    "Message",
    "SpoolFile",
    "StartRun",
    "StatusSnapshot",
    "Submission",
    "Submit",
    "Version",
    "Versions",
    "Wait",
    "Welcome",
]


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
    inline_pack: int = 0
    """Bytes of small files that may travel inside `Submit` in place of a file in the spool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """A file in the submission's spool directory that carries part of a message."""

    name: str
    size: int
    xxh3: bytes
    """XXH3-128 of its bytes."""


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
    pack: bytes | None = None
    """Contents of the spool file `pack`, if they are small: then there is no such file."""


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
class Failure:
    """A request that was refused, or why a submission failed."""

    code: str
    message: str
    subject: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Where a submission stands. `version` is set once it is committed, `error` once it failed."""

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
    """A committed version."""

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
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCollections:
    """Page through collections by (entity, project, name). Answered by `Collections`."""

    entity: str
    project: str | None = None
    after: tuple[str, str] | None = None
    """(project, name) of the last one seen."""
    limit: int = 100


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVersions:
    """Page through one collection's versions, newest first. Answered by `Versions`."""

    entity: str
    project: str
    name: str
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    items: tuple[Version, ...]
    more: bool


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

    `paths` ascend and belong to the version; at most `MAX_FETCH_PATHS`. What lies there already is kept.
    """

    entity: str
    project: str
    name: str
    version: int
    landing: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Whether everything asked for has landed; if not, ask again with the same request."""

    done: bool
    bytes_done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun:
    """Record a run, or the return of one with the same id. Answered by `Done`."""

    id: str
    entity: str
    project: str
    name: str
    job_type: str | None = None
    group: str | None = None
    config: str = "{}"
    """A JSON object as text."""
    host: str = ""
    pid: int = 0
    """For display only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRun:
    """Close a run. Answered by `Done`."""

    id: str
    entity: str
    project: str
    state: str = "finished"
    """`"finished"` or `"failed"`."""


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


MAX_FETCH_PATHS = 500

Message = (
    Hello
    | Welcome
    | Submit
    | Accepted
    | Wait
    | Submission
    | GetVersion
    | Version
    | GetCollections
    | Collections
    | GetVersions
    | Versions
    | FetchManifest
    | Fetch
    | Fetched
    | StartRun
    | FinishRun
    | Done
    | GetStatus
    | StatusSnapshot
    | Failure
)

TAGS: dict[int, type[Message]] = {
    1: Hello,
    2: Welcome,
    3: Submit,
    4: Accepted,
    5: Wait,
    6: Submission,
    7: GetVersion,
    8: Version,
    9: GetCollections,
    10: Collections,
    11: GetVersions,
    12: Versions,
    13: FetchManifest,
    14: Fetch,
    15: Fetched,
    16: StartRun,
    17: FinishRun,
    18: Done,
    19: GetStatus,
    20: StatusSnapshot,
    21: Failure,
}
"""A tag is for ever: a message that goes leaves a gap."""
