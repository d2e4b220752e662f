"""Where a blob lies in the store: pure."""

from __future__ import annotations

from artifactd.protocol.manifest import digest_hex

__all__ = ["blob_key"]


def blob_key(entity: str, digest: str) -> str:
    """`<entity>/blobs/<aa>/<rest>`: keys that start alike would share one of S3's partitions."""
    text = digest_hex(digest)
    return f"{entity}/blobs/{text[:2]}/{text[2:]}"
