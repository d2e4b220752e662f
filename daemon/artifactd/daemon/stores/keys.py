"""Where blobs lie in the store: pure."""

from __future__ import annotations

from artifactd.protocol.manifest import digest_hex

__all__ = ["blob_key", "blobs_prefix"]


def blobs_prefix(entity: str) -> str:
    """What the keys of all blobs of an entity begin with."""
    return f"{entity}/blobs/"


def blob_key(entity: str, digest: str) -> str:
    """`<entity>/blobs/<aa>/<rest>`: keys that start alike would share one of S3's partitions."""
    text = digest_hex(digest)
    return f"{blobs_prefix(entity)}{text[:2]}/{text[2:]}"
