"""The cache keeps within its bound, takes from what was used longest ago, and never from what is being read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.daemon.downloads.cache import Cache

SECOND = 10**9


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "landing").mkdir()
    fd = os.open(tmp_path / "landing", os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "elsewhere").mkdir()
    fd = os.open(tmp_path / "elsewhere", os.O_RDONLY)
    yield fd
    os.close(fd)


def name(number: int) -> str:
    return f"{number:064x}"


def make(root: Path, limit: int | None = 100, reserve: int = 0) -> Cache:
    return Cache(root / "cache", limit=limit, reserve=reserve)


async def add(cache: Cache, number: int, size: int, landing: int, *, read: bool = False) -> bool:
    """A blob arrives and is handed out; with `read`, its reader stays. Its last use was at second `number`."""
    if not await cache.admit(name(number), size):
        return False
    with cache.part(name(number)) as fd:
        os.write(fd, bytes(size))
    cache.keep(name(number), landing)
    cache.arrived(name(number))
    os.utime(path_of(cache, number), ns=(number * SECOND, number * SECOND))
    if not read:
        os.unlink(name(number), dir_fd=landing)
    return True


def path_of(cache: Cache, number: int) -> Path:
    return cache.blobs / name(number)[:2] / name(number)[2:]


def held(cache: Cache) -> set[int]:
    return {int(path.parent.name + path.name, 16) for path in cache.blobs.glob("*/*")}


async def test_what_was_used_longest_ago_makes_room(tmp_path: Path, landing: int) -> None:
    cache = make(tmp_path)
    for number in (1, 2):
        assert await add(cache, number, 40, landing)
    assert cache.hand_out([name(1)], landing) == []  # a use, which is later than second 2
    os.unlink(name(1), dir_fd=landing)
    assert await add(cache, 3, 40, landing)
    assert held(cache) == {1, 3}


async def test_it_never_holds_more_than_its_limit(tmp_path: Path, landing: int) -> None:
    cache = make(tmp_path)
    for number in range(1, 30):
        assert await add(cache, number, 15, landing)
        assert sum(path.stat().st_size for path in cache.blobs.glob("*/*")) <= 100
    assert max(held(cache)) == 29


async def test_what_is_being_read_stays(tmp_path: Path, landing: int) -> None:
    cache = make(tmp_path)
    assert await add(cache, 1, 40, landing, read=True)
    assert await add(cache, 2, 40, landing)
    assert await add(cache, 3, 40, landing)
    assert held(cache) == {1, 3}


async def test_when_all_is_being_read_the_next_is_not_kept_and_the_cache_not_searched_for_each(
    tmp_path: Path, landing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = make(tmp_path)
    assert await add(cache, 1, 90, landing, read=True)
    assert not await add(cache, 2, 40, landing)
    monkeypatch.setattr(os, "scandir", None)
    assert not await add(cache, 3, 40, landing)
    assert await add(cache, 4, 10, landing)


async def test_what_is_arriving_counts_and_is_not_evicted(tmp_path: Path, landing: int) -> None:
    cache = make(tmp_path)
    assert await cache.admit(name(1), 70)
    with cache.part(name(1)) as fd:
        os.write(fd, bytes(5))
    assert not await cache.admit(name(2), 70)
    assert (tmp_path / "cache" / "partial" / name(1)).exists()


async def test_what_is_arriving_has_a_claim_on_the_disk(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    half = disk.f_bavail * disk.f_frsize * 2 // 3
    cache = make(tmp_path, limit=1 << 62)
    assert await cache.admit(name(1), half)
    assert not await cache.admit(name(2), half)


async def test_a_part_that_nobody_completes_is_evicted(tmp_path: Path, landing: int) -> None:
    cache = make(tmp_path)
    assert await cache.admit(name(1), 70)
    with cache.part(name(1)) as fd:
        os.write(fd, bytes(60))
    cache.arrived(name(1))
    assert await add(cache, 2, 90, landing)
    assert list((tmp_path / "cache" / "partial").iterdir()) == []


async def test_a_blob_over_the_limit_is_not_kept_and_evicts_nothing(tmp_path: Path, landing: int) -> None:
    cache = make(tmp_path)
    assert await add(cache, 1, 40, landing)
    assert not await add(cache, 2, 101, landing)
    assert held(cache) == {1}


async def test_a_restart_finds_the_blobs_and_when_they_were_used(tmp_path: Path, landing: int) -> None:
    for number in (2, 1):
        assert await add(make(tmp_path), number, 40, landing)
    cache = make(tmp_path)
    assert cache.hand_out([name(2)], landing) == []
    os.unlink(name(2), dir_fd=landing)
    assert await add(make(tmp_path), 3, 40, landing)
    assert held(cache) == {2, 3}


async def test_a_disk_at_its_reserve_takes_no_blob_and_gives_those_it_has(tmp_path: Path, landing: int) -> None:
    assert await add(make(tmp_path), 1, 40, landing)
    cache = make(tmp_path, reserve=1 << 62)
    assert not await add(cache, 2, 40, landing)
    assert held(cache) == set()


async def test_a_blob_is_read_only_and_lands_once(tmp_path: Path, landing: int, elsewhere: int) -> None:
    cache = make(tmp_path)
    assert await add(cache, 1, 40, landing, read=True)
    assert cache.hand_out([name(1), name(2)], landing) == [name(2)]
    assert cache.hand_out([name(1)], elsewhere) == []
    status = os.stat(name(1), dir_fd=elsewhere)
    assert (status.st_mode & 0o777, status.st_nlink) == (0o444, 3)


async def test_a_blob_is_kept_though_the_directory_that_it_was_for_is_gone(tmp_path: Path, landing: int) -> None:
    cache = make(tmp_path)
    (tmp_path / "landing").rmdir()
    with pytest.raises(FileNotFoundError):
        await add(cache, 1, 40, landing)
    assert held(cache) == {1}


def test_by_default_it_may_take_a_tenth_of_the_disk(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    assert make(tmp_path, limit=None).limit == disk.f_blocks * disk.f_frsize // 10
