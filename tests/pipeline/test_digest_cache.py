"""The digest cache: a hint that is never wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.daemon.pipeline import digest_cache
from artifactd.daemon.pipeline.digest_cache import DigestCache
from artifactd.daemon.queue.spool import identity_of
from artifactd.protocol.manifest import Identity

OLD = identity_of(os.stat("/etc/passwd"))
NOW = OLD.ctime_ns + 10 * digest_cache.SETTLED_NS


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DigestCache]:
    opened = DigestCache(tmp_path / "cache" / "digests.db")
    yield opened
    opened.close()


def test_an_unchanged_file_is_known(cache: DigestCache) -> None:
    cache.add(1, [(OLD, "blake3:a")], NOW)
    assert cache.find(1, OLD) == "blake3:a"


def test_another_user_learns_nothing(cache: DigestCache) -> None:
    cache.add(1, [(OLD, "blake3:a")], NOW)
    assert cache.find(2, OLD) is None


@pytest.mark.parametrize("field", Identity._fields)
def test_any_difference_in_the_file_makes_it_unknown(cache: DigestCache, field: str) -> None:
    cache.add(1, [(OLD, "blake3:a")], NOW)
    assert cache.find(1, OLD._replace(**{field: getattr(OLD, field) + 1})) is None


def test_a_file_changed_shortly_before_it_was_read_is_not_remembered(cache: DigestCache) -> None:
    """A later change may carry the same stamp, however long the reading took."""
    cache.add(1, [(OLD, "blake3:a")], OLD.ctime_ns + digest_cache.SETTLED_NS)
    assert cache.find(1, OLD) is None


def test_a_cache_torn_by_a_power_cut_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "digests.db"
    DigestCache(path).close()
    path.write_bytes(b"\0" * 4096 + b"torn" * 1000)
    cache = DigestCache(path)
    cache.add(1, [(OLD, "blake3:a")], NOW)
    assert cache.find(1, OLD) == "blake3:a"
    cache.close()


def test_files_on_network_filesystems_are_not_remembered(
    cache: DigestCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_cache, "is_network_filesystem", lambda dev: True)
    cache.add(1, [(OLD, "blake3:a")], NOW)
    assert cache.find(1, OLD) is None
