"""The committed version that a draft started from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactd.client._entry import Entry
from artifactd.client._snapshot import open_regular
from artifactd.client._target import digest_of_file
from artifactd.protocol import manifest
from artifactd.protocol.manifest import BASE, DraftEntry
from artifactd.protocol.messages import Version

if TYPE_CHECKING:
    from artifactd.client._readable import Readable

__all__ = ["Base"]


@dataclass(frozen=True, slots=True)
class Base:
    """`artifact` is what `version` is read through; `entries` are its entries by path."""

    artifact: Readable
    version: Version
    entries: dict[str, manifest.Entry]

    @classmethod
    def of(cls, artifact: Readable) -> Base:
        """Read a committed version's entries. Raises `ArtifactNotLoggedError`, and what `entries` does."""
        from artifactd.client._manifest import read_entries

        version, link = artifact._require_version("new_draft")
        link.require("base")
        return cls(artifact, version, {entry.path: entry for entry in read_entries(link, version)})

    def drafted(self) -> list[DraftEntry]:
        """Every entry, as a draft that has it in common says so."""
        return [DraftEntry(entry.path, entry.size, BASE, 0, None) for entry in self.entries.values()]

    def entry(self, path: str) -> Entry:
        """What the user sees of an entry that the draft has in common; its file can be downloaded."""
        return self.artifact._entry(self.entries[path])

    def same(self, path: str, file: str) -> bool:
        """Whether `file` has the contents that are stored at `path`; never, for a reference."""
        known = self.entries[path]
        fd, status = open_regular(file)
        try:
            is_stored = known.reference is None and status.st_size == known.size
            return is_stored and digest_of_file(fd) == known.digest
        finally:
            os.close(fd)
