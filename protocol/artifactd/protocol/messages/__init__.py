"""Every message that crosses the socket, as frozen dataclasses, and the one table of their tags.

Requests come from clients, replies from the daemon; a reply carries its request's id in the envelope.
Ids, lanes and hashes are raw bytes; times ending in `_at` are Unix seconds; sizes are bytes.
Unknown fields are ignored, so a field that changes the meaning of a request needs a feature in `Welcome`.
"""

from __future__ import annotations

from artifactd.protocol.messages._connection import Done, Failure, GetStatus, Hello, StatusSnapshot, Welcome
from artifactd.protocol.messages._editing import DeleteVersion, EditVersion, LinkVersion
from artifactd.protocol.messages._fetching import MAX_FETCH_PATHS, Fetch, Fetched, FetchManifest
from artifactd.protocol.messages._reading import (
    Collection,
    Collections,
    GetCollections,
    GetTypes,
    GetVersion,
    GetVersions,
    Types,
    Version,
    Versions,
)
from artifactd.protocol.messages._references import FoundObject, LookUp, Resolved
from artifactd.protocol.messages._runs import (
    FinishRun,
    GetRun,
    GetRuns,
    GetRunVersions,
    GetUsers,
    RunRecord,
    Runs,
    StartRun,
)
from artifactd.protocol.messages._submitting import Accepted, DraftPart, SpoolFile, Submission, Submit, Wait

__all__ = [
    "MAX_FETCH_PATHS",
    "TAGS",
    "Accepted",
    "Collection",
    "Collections",
    "DeleteVersion",
    "Done",
    "DraftPart",
    "EditVersion",
    "Failure",
    "Fetch",
    "FetchManifest",
    "Fetched",
    "FinishRun",
    "FoundObject",
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
    "LookUp",
    "Message",
    "Resolved",
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
    | LookUp
    | Resolved
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
    35: LookUp,
    36: Resolved,
}
"""A tag is for ever: a message that goes leaves a gap."""
