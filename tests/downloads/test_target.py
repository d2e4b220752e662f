"""What a target makes of files: whole, checked, with the right mode, and nothing beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from artifactd.client._target import Target
from artifactd.protocol.manifest import Entry, digest_of

SMALL, LARGE = b"small", os.urandom(1 << 20)


@pytest.fixture(params=[SMALL, LARGE, b""], ids=["small", "large", "empty"])
def data(request: pytest.FixtureRequest) -> bytes:
    found: bytes = request.param
    return found


@pytest.fixture
def source(tmp_path: Path, data: bytes) -> Iterator[int]:
    (tmp_path / "source").write_bytes(data)
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    yield fd
    os.close(fd)


def entry(data: bytes, path: str = "d/file") -> Entry:
    return Entry(path, digest_of(blake3(data).digest()), len(data))


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_put_twice_lies_there_once(
    read_only: bool, tmp_path: Path, data: bytes, source: int
) -> None:
    with Target(str(tmp_path / "root"), read_only=read_only) as target:
        assert target.put(entry(data), source)
        assert target.put(entry(data), source)
    assert names(tmp_path / "root") == ["d", "d/file"]
    assert (tmp_path / "root/d/file").read_bytes() == data
    assert (tmp_path / "root/d/file").samefile(tmp_path / "source") == read_only


@pytest.mark.parametrize("read_only", [False, True])
def test_what_was_verified_a_moment_ago_is_not_read_again_for_that(read_only: bool, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(LARGE[::-1])
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    with Target(str(tmp_path / "root"), read_only=read_only) as target:
        assert not target.put(entry(LARGE), fd)
        assert not target.put(entry(LARGE + b"more"), fd, verified=True)
        assert target.put(entry(LARGE), fd, verified=True)
    os.close(fd)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_source_with_another_content_changes_nothing(
    read_only: bool, tmp_path: Path, data: bytes, source: int
) -> None:
    with Target(str(tmp_path / "root"), read_only=read_only) as target:
        for other in (data + b"more", data[:-1] + b"!", b"else"):
            assert not target.put(entry(other), source)
            assert not target.take(entry(other), source, "source", os.open(tmp_path, os.O_RDONLY), 0o600)
    assert names(tmp_path / "root") == ["d"]


def test_a_source_that_may_be_taken_is_moved_with_the_users_mode(tmp_path: Path, data: bytes, source: int) -> None:
    landing = os.open(tmp_path, os.O_RDONLY)
    with Target(str(tmp_path / "root")) as target:
        assert target.take(entry(data), source, "source", landing, 0o640)
    os.close(landing)
    assert not (tmp_path / "source").exists()
    assert (tmp_path / "root/d/file").stat().st_mode & 0o777 == 0o640


def test_what_lies_in_a_directory_that_is_not_new_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "root" / "d").mkdir(parents=True)
    (tmp_path / "root" / "d" / "file").write_bytes(SMALL)
    with Target(str(tmp_path / "root")) as target:
        assert target.has(entry(SMALL))
        assert not target.has(entry(SMALL, "new/file"))
        assert target.has(entry(SMALL))
