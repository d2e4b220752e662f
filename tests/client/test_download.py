"""Downloads arrive whole, checked, and inside their directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3
from fake_daemon import FakeDaemon

from artifactd.client import Artifact, Client, CorruptDownload, InvalidRequest, _download
from artifactd.protocol.manifest import Entry, digest_hex, digest_of, pack_manifest
from artifactd.protocol.messages import (
    Fetch,
    Fetched,
    FetchManifest,
    GetVersion,
    Message,
    Version,
)


class Stored:
    """A version that the fake daemon delivers, and what was asked for."""

    def __init__(self, daemon: FakeDaemon, files: dict[str, bytes]) -> None:
        self.files = files
        self.spool = daemon.spool
        self.asked: list[tuple[str, ...]] = []
        self.damage = False
        self.slow = 2
        self.entries = [
            Entry(path, digest_of(blake3(data).digest()), len(data)) for path, data in sorted(files.items())
        ]
        self.manifest = b"".join(pack_manifest(self.entries))
        daemon.handler = self.answer

    def answer(self, message: Message) -> Message | None:
        match message:
            case GetVersion():
                return Version(
                    entity=message.entity,
                    project=message.project,
                    name=message.name,
                    type="t",
                    version=7,
                    digest=digest_of(blake3(self.manifest).digest()),
                    files=len(self.files),
                    size=sum(map(len, self.files.values())),
                    aliases=(),
                    tags=(),
                    description=None,
                    metadata="{}",
                    run=None,
                    created_at=0.0,
                )
            case FetchManifest():
                (self.spool / message.landing / "manifest").write_bytes(self.manifest)
                return Fetched(done=True, bytes_done=0)
            case Fetch():
                if self.slow:
                    self.slow -= 1
                    return Fetched(done=False, bytes_done=0)
                self.asked.append(message.paths)
                for path in message.paths:
                    (entry,) = [entry for entry in self.entries if entry.path == path]
                    data = self.files[path]
                    blob = self.spool / message.landing / digest_hex(entry.digest)
                    blob.write_bytes(data[:-1] + b"!" if self.damage else data)
                return Fetched(done=True, bytes_done=0)
        return None


FILES = {"a": b"alpha", "d/b": b"beta" * 100_000, "d/e/c": b"", "d/twin": b"alpha", "é": b"x"}


@pytest.fixture
def stored(daemon: FakeDaemon) -> Stored:
    return Stored(daemon, dict(FILES))


@pytest.fixture
def artifact(stored: Stored, client: Client) -> Artifact:
    return client.use_artifact("data")


def tree(root: str | Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


def test_every_file_arrives_with_the_users_mode(
    artifact: Artifact, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old = os.umask(0o027)
    try:
        root = artifact.download()
    finally:
        os.umask(old)
    assert root == "artifacts/data:v7"
    assert tree(root) == FILES
    assert {path.stat().st_mode & 0o777 for path in Path(root).rglob("*") if path.is_file()} == {0o640}
    assert list(daemon.spool.iterdir()) == []


def test_what_is_there_and_intact_is_not_fetched_again(artifact: Artifact, stored: Stored, tmp_path: Path) -> None:
    artifact.download(tmp_path)
    stored.asked.clear()
    artifact.download(tmp_path)
    assert stored.asked == []
    (tmp_path / "a").write_bytes(b"ALPHA")
    (tmp_path / "d/e/c").unlink()
    artifact.download(tmp_path)
    assert stored.asked == [("a", "d/e/c")]
    assert tree(tmp_path) == FILES


def test_a_prefix_selects_files(artifact: Artifact, tmp_path: Path) -> None:
    artifact.download(tmp_path, path_prefix="d/")
    assert set(tree(tmp_path)) == {"d/b", "d/e/c", "d/twin"}


def test_big_versions_are_fetched_in_sorted_batches(
    artifact: Artifact, stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "MAX_FETCH_PATHS", 2)
    artifact.download(tmp_path / "two")
    assert sorted(len(paths) for paths in stored.asked) == [1, 2, 2]
    assert sorted(path for paths in stored.asked for path in paths) == sorted(FILES)
    monkeypatch.setattr(_download, "_BATCH_BYTES", 1000)
    monkeypatch.setattr(_download, "MAX_FETCH_PATHS", 500)
    stored.asked.clear()
    artifact.download(tmp_path / "bytes")
    assert sorted(stored.asked) == [("a",), ("d/b",), ("d/e/c", "d/twin", "é")]


def test_damaged_bytes_are_refused_and_leave_what_was_there(
    artifact: Artifact, stored: Stored, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    stored.damage = True
    with pytest.raises(CorruptDownload, match="a"):
        artifact.download(tmp_path)
    assert tree(tmp_path) == {"a": b"mine"}


def test_a_manifest_with_another_digest_is_refused(artifact: Artifact, stored: Stored, tmp_path: Path) -> None:
    stored.manifest = b"".join(pack_manifest(stored.entries[1:]))
    with pytest.raises(CorruptDownload, match="manifest"):
        artifact.download(tmp_path)


def test_a_link_below_the_root_is_never_followed(artifact: Artifact, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "d").symlink_to(outside)
    with pytest.raises(InvalidRequest, match="not a directory"):
        artifact.download(root)
    assert list(outside.iterdir()) == []


def test_a_link_in_a_files_place_is_replaced_and_not_followed(artifact: Artifact, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"alpha")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(precious)
    artifact.download(root)
    assert tree(root) == FILES
    assert not (root / "a").is_symlink()
    (root / "a").write_bytes(b"changed")
    assert precious.read_bytes() == b"alpha"


@pytest.mark.parametrize("name", ["a", "d/b"])
def test_a_directory_in_a_files_place_is_refused(artifact: Artifact, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(InvalidRequest, match="directory"):
        artifact.download(tmp_path)


def test_a_file_in_a_directorys_place_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"mine")
    with pytest.raises(InvalidRequest, match="not a directory"):
        artifact.download(tmp_path)
    assert (tmp_path / "d").read_bytes() == b"mine"


def test_a_fifo_in_a_files_place_does_not_hang_and_is_replaced(artifact: Artifact, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    artifact.download(tmp_path)
    assert tree(tmp_path) == FILES


def test_a_blob_that_shares_an_inode_is_copied(
    artifact: Artifact, stored: Stored, daemon: FakeDaemon, tmp_path: Path
) -> None:
    blob = tmp_path / "cached"
    blob.write_bytes(FILES["d/b"])
    answer = stored.answer

    def link(message: Message) -> Message | None:
        reply = answer(message)
        if isinstance(message, Fetch) and reply == Fetched(done=True, bytes_done=0):
            (landed,) = [path for path in (daemon.spool / message.landing).iterdir() if path.stat().st_size > 1000]
            landed.unlink()
            os.link(blob, landed)
        return reply

    daemon.handler = link
    artifact.download(tmp_path / "root")
    (tmp_path / "root/d/b").write_bytes(b"mine")
    assert blob.read_bytes() == FILES["d/b"]


def test_the_entries_of_a_version_carry_their_digests(artifact: Artifact, stored: Stored) -> None:
    found = [Entry(entry.path, entry.digest or "", entry.size) for entry in artifact.entries.values()]
    assert found == stored.entries
