"""What the benchmarks commit: versions of one small file."""

from __future__ import annotations

import os

from blake3 import blake3

from artifactd.daemon.catalog import Head
from artifactd.protocol.manifest import digest_of

__all__ = ["make_head"]


def make_head(collection: str, contents: str) -> Head:
    """A submission of its own, ready to be committed to `collection`."""
    return Head(
        uid=1000,
        id=os.urandom(16),
        body_hash=bytes(32),
        entity="team",
        project="bench",
        name=collection,
        type="model",
        digest=digest_of(blake3(contents.encode()).digest()),
        size=1,
        files=1,
        aliases=(),
        tags=(),
        description=None,
        metadata="{}",
        run=None,
        accepted_at=1.0,
    )
