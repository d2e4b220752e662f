"""Manifests as files without a name, which nobody has to clean up."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from artifactd.protocol.manifest import Entry, digest_of, pack_manifest

__all__ = ["ManifestFiles", "digest_file"]

_FILES_IN_MEMORY = 10_000
_CHUNK = 1 << 20


class ManifestFiles:
    """Makes them below `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def new(self, files: int) -> BinaryIO:
        """An empty file for a manifest of about so many entries; the caller closes it."""
        # In memory while it is small: committing what was accepted must not need room on a full disk.
        if files <= _FILES_IN_MEMORY:
            return open(os.memfd_create("manifest"), "w+b")
        return tempfile.TemporaryFile(dir=self._home)

    def write(self, entries: Iterable[Entry], files: int) -> BinaryIO:
        """The canonical manifest of `entries`, of which there are about so many; the caller closes it."""
        file = self.new(files)
        try:
            for piece in pack_manifest(entries):
                file.write(piece)
            file.flush()
        except BaseException:
            file.close()
            raise
        return file


def digest_file(file: BinaryIO) -> tuple[str, int]:
    """The digest and the size of the whole file."""
    file.seek(0)
    hash = blake3()
    while piece := file.read(_CHUNK):
        hash.update(piece)
    return digest_of(hash.digest()), file.tell()
