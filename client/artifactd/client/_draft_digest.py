"""The digest that a draft would have as a version, worked out without the daemon."""

from __future__ import annotations

import os

from blake3 import blake3

from artifactd.client._base import Base
from artifactd.client._draft import Draft
from artifactd.client._snapshot import identity
from artifactd.client._target import digest_of_file
from artifactd.protocol.errors import FileChanged, InvalidRequest
from artifactd.protocol.manifest import BASE, DraftEntry, Entry, Reference, digest_of, pack_manifest

__all__ = ["digest_of_draft"]


def digest_of_draft(entries: list[DraftEntry], draft: Draft | None, base: Base | None) -> str:
    """Read and hash every file of the draft. `entries` are sorted by path.

    Raises `InvalidRequest` for a reference that nobody has looked up, `FileChanged` for a file that was added as
    immutable and is not what it was.
    """
    manifest = blake3()
    for piece in pack_manifest(_committed(entry, draft, base) for entry in entries):
        manifest.update(piece)
    return digest_of(manifest.digest())


def _committed(entry: DraftEntry, draft: Draft | None, base: Base | None) -> Entry:
    if entry.reference is not None:
        uri, digest, extra, *_ = entry.reference
        if digest is None:
            raise InvalidRequest(
                "nobody has looked this reference up yet",
                subject=entry.path,
                remedy="ask the entry for its size, or read the digest of the committed version",
            )
        return Entry(entry.path, digest, entry.size, Reference(uri, extra))
    if base is not None and entry.source == BASE:
        return base.entries[entry.path]
    assert draft is not None
    return Entry(entry.path, _digest(entry, draft), entry.size)


def _digest(entry: DraftEntry, draft: Draft) -> str:
    fd = draft.open(entry)
    try:
        digest = digest_of_file(fd, entry.offset, entry.size)
        if entry.identity is not None and identity(os.fstat(fd)) != entry.identity:
            raise FileChanged("the file was changed after it was added as immutable", subject=entry.path)
    finally:
        os.close(fd)
    return digest
