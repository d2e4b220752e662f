"""What only the local store does: durable files, temporary names, and errors of a filesystem."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import trio

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.local import batch as local_batch
from artifactd.daemon.stores.local import files as local_files
from artifactd.daemon.stores.local.store import LocalStore
from artifactd.daemon.stores.os_errors import os_errors
from stores.support import digest, get, keys, put, some_bytes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "blobs"


@pytest.fixture
def local(root: Path) -> LocalStore:
    return LocalStore(root)


async def test_an_object_is_a_file_under_its_key(local: LocalStore, root: Path) -> None:
    await put(local, "aa/one", b"1")
    assert (root / "aa" / "one").read_bytes() == b"1"
    assert local.url == root.as_uri()


async def test_recover_removes_what_was_half_written_and_nothing_else(local: LocalStore, root: Path) -> None:
    await put(local, "aa/object", b"here")
    (root / ".tmp" / "stale").write_bytes(b"half")
    assert await keys(local) == ["aa/object"]
    assert await local.recover() == 1
    assert list((root / ".tmp").iterdir()) == []
    assert await get(local, "aa/object") == b"here"


async def test_recover_of_a_store_that_was_never_used_does_nothing(local: LocalStore, root: Path) -> None:
    assert await local.recover() == 0
    assert not await trio.Path(root).exists()


async def test_the_place_of_temporary_files_is_no_key(local: LocalStore) -> None:
    for attempt in (put(local, ".tmp/object", b"x"), local.head(".tmp/object"), local.delete(".tmp/object")):
        with pytest.raises(StoreError) as caught:
            await attempt
        assert caught.value.kind is Kind.PERMANENT


async def test_a_key_below_or_above_an_object_is_a_conflict(local: LocalStore) -> None:
    await put(local, "aa/object", b"here")
    for key in ("aa/object/below", "aa"):
        with pytest.raises(StoreError) as caught:
            await put(local, key, b"x")
        assert caught.value.kind is Kind.CONFLICT
        assert await local.head(key) is None
        await local.delete(key)
        with pytest.raises(StoreError) as caught:
            await get(local, key)
        assert caught.value.kind is Kind.NOT_FOUND
    outcomes = await local.put_batch([("aa/object/below", b"x"), ("bb/fine", b"x")])
    assert [outcome and outcome.kind for outcome in outcomes] == [Kind.CONFLICT, None]
    assert await keys(local) == ["aa/object", "bb/fine"]


@pytest.mark.parametrize("count", [2, 100])
async def test_every_file_of_a_batch_is_synced_before_any_has_its_name(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    syncs: list[tuple[list[Path], int]] = []

    def sync(paths: object) -> None:
        chosen = list(paths)
        visible = sum(path.is_file() and path.parent.name != ".tmp" for path in root.rglob("*"))
        syncs.append((chosen, visible))
        local_files.sync_all(chosen)

    monkeypatch.setattr(local_batch, "sync_all", sync)
    assert await local.put_batch([(f"aa/{n}", some_bytes(n)) for n in range(count)]) == [None] * count
    (files, seen_before), (directories, seen_after) = syncs
    assert (len(files), seen_before, seen_after) == (count, 0, count)
    assert {root / "aa", root, root.parent} <= set(directories)


async def test_a_sync_that_fails_fails_the_batch(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(paths: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(local_batch, "sync_all", fail)
    outcomes = await local.put_batch([("aa/1", b"1"), ("../2", b"2")])
    assert [outcome and outcome.kind for outcome in outcomes] == [Kind.TRANSIENT, Kind.PERMANENT]


async def test_a_failed_put_leaves_no_temporary_file(local: LocalStore, root: Path) -> None:
    with pytest.raises(StoreError):
        await put(local, "aa/" + "n" * 300, b"x")
    await local.put_batch([("aa/" + "n" * 300, b"x")])
    assert list((root / ".tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "writing", "reading"),
    [
        (errno.ENOSPC, Kind.TRANSIENT, Kind.TRANSIENT),
        (errno.EDQUOT, Kind.TRANSIENT, Kind.TRANSIENT),
        (errno.EIO, Kind.TRANSIENT, Kind.TRANSIENT),
        (errno.EACCES, Kind.DENIED, Kind.DENIED),
        (errno.EROFS, Kind.DENIED, Kind.DENIED),
        (errno.ENOENT, Kind.NOT_FOUND, Kind.NOT_FOUND),
        (errno.ENOTDIR, Kind.CONFLICT, Kind.NOT_FOUND),
        (errno.ENAMETOOLONG, Kind.PERMANENT, Kind.PERMANENT),
    ],
)
def test_an_error_of_the_filesystem_is_classified(code: int, writing: Kind, reading: Kind) -> None:
    for operation, kind in (("put", writing), ("get", reading)):
        with pytest.raises(StoreError) as caught, os_errors(operation, "k"):
            raise OSError(code, os.strerror(code))
        assert caught.value.kind is kind
        assert os.strerror(code) in str(caught.value)


async def test_an_object_that_is_overwritten_is_never_seen_half(local: LocalStore, root: Path) -> None:
    await put(local, "aa/object", b"old")
    with (root / "aa" / "object").open("rb") as reader:
        await put(local, "aa/object", b"newer")
        assert reader.read() == b"old"
    assert digest(await get(local, "aa/object")) == digest(b"newer")
