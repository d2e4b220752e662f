"""Where blobs lie in the store: pure."""

from __future__ import annotations

import re

from artifactd.protocol.manifest import digest_hex, digest_of

__all__ = ["blob_key", "blobs_prefix", "parse_blob_key"]

_KEY = re.compile(r"([0-9a-f]{2})/([0-9a-f]{62})(?:\.([1-9][0-9]{0,18}))?")


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


def parse_blob_key(entity: str, key: str) -> tuple[str, int] | None:
    """The digest and the epoch of a key that `blob_key` made; None for any other."""
    found = _KEY.fullmatch(key.removeprefix(blobs_prefix(entity)))
    if found is None or not key.startswith(blobs_prefix(entity)):
        return None
    return digest_of(bytes.fromhex(found[1] + found[2])), int(found[3] or 0)
