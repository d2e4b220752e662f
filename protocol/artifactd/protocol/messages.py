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
    "DeleteVersion",
    "Done",
    "EditVersion",
    "Failure",
    "Fetch",
    "FetchManifest",
    "Fetched",
    "FinishRun",
    "GetCollections",
    "GetRun",
    "GetRunVersions",
    "GetRuns",
    "GetStatus",
    "GetTypes",
    "GetUsers",
    "GetVersion",
    "GetVersions",
    "Hello",
    "LinkVersion",
    "Message",
    "RunRecord",
    "Runs",
    "SpoolFile",
    "StartRun",
    "StatusSnapshot",
    "Submission",
    "Submit",
    "Types",
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
    cache: str = ""
    """Directory of blobs that this peer may read, `<aa>/<rest>` of a digest's hex; empty where it may not."""
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
    ttl: int | None = None
    """Seconds that the version is to live after its commit. Needs the feature `ttl`."""
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
class GetRun:
    """Look one run up. Answered by `RunRecord`."""

    entity: str
    project: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the catalog knows it."""

    entity: str
    project: str
    id: str
    name: str
    job_type: str | None
    group: str | None
    config: str
    """A JSON object as text."""
    state: str
    host: str
    pid: int
    started_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRuns:
    """Page through one project's runs by (start, id), those that have all of what is given. Answered by `Runs`."""

    entity: str
    project: str
    state: str | None = None
    job_type: str | None = None
    group: str | None = None
    name: str | None = None
    newest_first: bool = False
    after: tuple[float, str] | None = None
    """(started_at, id) of the last one seen."""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUsers:
    """Page through the runs that used a version, by (start, entity, project, id). Answered by `Runs`."""

    entity: str
    project: str
    name: str
    version: int
    after: tuple[float, str, str, str] | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    items: tuple[RunRecord, ...]
    more: bool
    total: int | None = None
    """How many there are on all pages; on the first page only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRunVersions:
    """Page through what a run logged or used, by the age of the collections, then by version.

    Answered by `Versions`.
    """

    entity: str
    project: str
    run: str
    role: str
    """`"logged"` or `"used"`."""
    after: tuple[str, str, str, int] | None = None
    """(entity, project, name, version) of the last one seen."""
    limit: int = 100


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
    | GetTypes
    | Types
    | EditVersion
    | DeleteVersion
    | LinkVersion
    | GetRun
    | RunRecord
    | GetRuns
    | GetUsers
    | Runs
    | GetRunVersions
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
    22: GetTypes,
    23: Types,
    24: EditVersion,
    25: DeleteVersion,
    26: LinkVersion,
    27: GetRun,
    28: RunRecord,
    29: GetRuns,
    30: GetUsers,
    31: Runs,
    32: GetRunVersions,
}
"""A tag is for ever: a message that goes leaves a gap."""
