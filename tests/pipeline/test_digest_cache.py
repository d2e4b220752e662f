"""The digest cache: a hint that is never wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.daemon.pipeline import digest_cache
from artifactd.daemon.pipeline.digest_cache import DigestCache

OLD = os.stat("/etc/passwd")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DigestCache]:
    opened = DigestCache(tmp_path / "cache" / "digests.db")
    yield opened
    opened.close()


def test_an_unchanged_file_is_known(cache: DigestCache) -> None:
    cache.add(1, [(OLD, "blake3:a")])
    assert cache.find(1, OLD) == "blake3:a"


def test_another_user_learns_nothing(cache: DigestCache) -> None:
    cache.add(1, [(OLD, "blake3:a")])
    assert cache.find(2, OLD) is None


@pytest.mark.parametrize("field", ["st_ino", "st_dev", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_any_difference_in_the_file_makes_it_unknown(cache: DigestCache, field: str) -> None:
    cache.add(1, [(OLD, "blake3:a")])
    changed = type("Status", (), {name: getattr(OLD, name) for name in dir(OLD) if name.startswith("st_")})()
    setattr(changed, field, getattr(OLD, field) + 1)
    assert cache.find(1, changed) is None


def test_a_file_changed_a_moment_ago_is_not_remembered(cache: DigestCache, tmp_path: Path) -> None:
    path = tmp_path / "fresh"
    path.write_bytes(b"x")
    status = path.stat()
    cache.add(1, [(status, "blake3:a")])
    assert cache.find(1, status) is None


def test_files_on_network_filesystems_are_not_remembered(
    cache: DigestCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_cache, "is_network_filesystem", lambda dev: True)
    cache.add(1, [(OLD, "blake3:a")])
    assert cache.find(1, OLD) is None
