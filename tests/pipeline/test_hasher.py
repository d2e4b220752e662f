"""Small files: those that lie one after the other in a pack are read at once, and told apart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from artifactd.daemon.pipeline.batches import Batch
from artifactd.daemon.pipeline.digest_cache import DigestCache
from artifactd.daemon.pipeline.hasher import Hasher
from artifactd.protocol.errors import ArtifactFailed
from artifactd.protocol.manifest import DraftEntry, digest_of


class Files:
    """Spool files of a directory, in place of a submission's."""

    def __init__(self, directory: Path) -> None:
        self._directory = os.fsencode(directory)

    def open(self, entry: DraftEntry) -> int:
        return os.open(os.path.join(self._directory, entry.source), os.O_RDONLY)

    def check_unchanged(self, entry: DraftEntry, fd: int) -> None:
        """A spool file has no identity to compare."""


@pytest.fixture
def hasher(tmp_path: Path) -> Iterator[Hasher]:
    cache = DigestCache(tmp_path / "cache" / "digests.db")
    yield Hasher(cache)
    cache.close()


def batch(*entries: tuple[str, int, bytes, int]) -> Batch:
    drafted = tuple(DraftEntry(path, size, source, offset, None) for path, size, source, offset in entries)
    return Batch(0, drafted, sum(entry.size for entry in drafted))


async def test_every_file_gets_its_own_bytes_whatever_lies_between_them(hasher: Hasher, tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(b"onetwothreehole")
    (tmp_path / "other").write_bytes(b"four")
    wanted = batch(
        ("a", 3, b"pack", 0),
        ("b", 3, b"pack", 3),
        ("c", 0, b"pack", 6),
        ("d", 5, b"pack", 6),
        ("e", 4, b"other", 0),
        ("f", 3, b"pack", 3),
        ("g", 5, b"pack", 6),
        ("h", 3, b"pack", 0),
    )
    files: Any = Files(tmp_path)
    hashed = await hasher.hash(wanted, files, os.getuid())
    contents = [b"one", b"two", b"", b"three", b"four", b"two", b"three", b"one"]
    assert [bytes(file.data or b"") for file in hashed] == contents
    assert [file.digest for file in hashed] == [digest_of(blake3(data).digest()) for data in contents]
    assert [file.entry for file in hashed] == list(wanted.entries)


async def test_a_pack_that_ends_early_fails_the_file_it_ends_in(hasher: Hasher, tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(b"onetw")
    files: Any = Files(tmp_path)
    with pytest.raises(ArtifactFailed, match="ends after 2 of 3 bytes") as caught:
        await hasher.hash(batch(("a", 3, b"pack", 0), ("b", 3, b"pack", 3), ("c", 3, b"pack", 6)), files, 0)
    assert caught.value.subject == "b"
