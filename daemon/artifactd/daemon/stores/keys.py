"""Where blobs and records lie in the store: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import digest_hex, digest_of
from artifactd.protocol.names import check_artifact_name, check_entity

__all__ = ["BlobKey", "RecordKey", "blob_key", "blobs_prefix", "parse_blob_key", "parse_record_key", "record_key"]

_BLOB = re.compile(r"([^/]+)/blobs/([0-9a-f]{2})/([0-9a-f]{62})(?:\.([0-9]{1,18}))?\Z")
_RECORD = re.compile(r"([^/]+)/records/(collection|run)s/([^/]+)/([^/]+)/(0[0-9]{19})-([0-9a-f]{32})(\.page)?\Z")


@dataclass(frozen=True, slots=True)
class BlobKey:
    """What the key of a blob says. Of several for one digest, that of the highest epoch counts."""

    entity: str
    digest: str
    epoch: int


@dataclass(frozen=True, slots=True)
class RecordKey:
    """What the key of a record's object says: `kind` is `collection` or `run`, `name` then the run's id.

    `digest` is of the object's bytes. A `page` is a part of another object, which has its digest.
    """

    kind: str
    entity: str
    project: str
    name: str
    revision: int
    digest: str
    page: bool = False


def blobs_prefix(entity: str) -> str:
    """What the keys of all blobs of an entity begin with."""
    return f"{entity}/blobs/"


def blob_key(entity: str, digest: str, epoch: int = 0) -> str:
    """`<entity>/blobs/<aa>/<rest>[.<epoch>]`: keys that start alike would share one of S3's partitions.

    The epoch, of the catalog when the upload began, tells an object that a collector deletes from one that is
    uploaded in its place; the first has no number.
    """
    text = digest_hex(digest)
    return f"{blobs_prefix(entity)}{text[:2]}/{text[2:]}" + (f".{epoch}" if epoch else "")


def parse_blob_key(key: str) -> BlobKey | None:
    """Read `<entity>/blobs/<aa>/<rest>[.<epoch>]`; None for any other key. Without an epoch it is 0."""
    match = _BLOB.match(key)
    if match is None or not _is_entity(match[1]):
        return None
    return BlobKey(match[1], digest_of(bytes.fromhex(match[2] + match[3])), int(match[4] or 0))


def record_key(key: RecordKey) -> str:
    """`<entity>/records/<kind>s/<project>/<name>/<revision>-<digest>[.page]`: all of a stream, by revision.

    Names of every sort are letters, digits, `_`, `-` and `.`, and make components of keys as they are. With the
    digest in it, an object that exists is never written over by another.
    """
    place = f"{key.entity}/records/{key.kind}s/{key.project}/{key.name}"
    return f"{place}/{key.revision:020}-{key.digest}{'.page' if key.page else ''}"


def parse_record_key(key: str) -> RecordKey | None:
    """Read what `record_key` makes; None for any other key."""
    match = _RECORD.match(key)
    if match is None or not _is_entity(match[1]):
        return None
    entity, kind, project, name, revision, digest, page = match.groups()
    if not (_is_name(project) and _is_name(name)) or int(revision) >= 1 << 62:
        return None
    return RecordKey(kind, entity, project, name, int(revision), digest, page is not None)


def _is_entity(text: str) -> bool:
    try:
        check_entity(text)
    except InvalidRequest:
        return False
    return True


def _is_name(text: str) -> bool:
    try:
        check_artifact_name(text)
    except InvalidRequest:
        return False
    return True
