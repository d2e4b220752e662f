"""The daemon's side of the spool: nothing a client wrote there is believed."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import msgpack
import pytest
import xxhash

from artifactd.daemon.queue.spool import SubmissionFiles, identity_of, open_directory
from artifactd.protocol.errors import ArtifactdError, ArtifactFailed, Denied, FileChanged, InvalidRequest
from artifactd.protocol.manifest import DraftEntry, pack_draft
from artifactd.protocol.messages import SpoolFile, Submit

ID = b"i" * 16
UID = os.geteuid()


def submit(*entries: DraftEntry, manifest_file: SpoolFile | None = None, manifest: bytes | None = None) -> Submit:
    if manifest is None and manifest_file is None:
        manifest = b"".join(pack_draft(entries))
    return Submit(
        id=ID,
        lane=b"",
        seq=0,
        deadline=0,
        entity="e",
        project="p",
        name="n",
        type="t",
        files=len(entries),
        size=0,
        manifest=manifest,
        manifest_file=manifest_file,
    )


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / ID.hex()).mkdir()
    return tmp_path


def spooled(name: bytes = b"pack", path: str = "a") -> DraftEntry:
    return DraftEntry(path, 1, name, 0, None)


def in_place(path: Path, name: str = "a") -> DraftEntry:
    status = os.stat(path)
    return DraftEntry(name, status.st_size, os.fsencode(path), 0, identity_of(status))


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../x", "a\0b", "x" * 200, "/etc"])
def test_only_a_name_of_one_component_names_a_directory(spool: Path, name: str) -> None:
    with pytest.raises(InvalidRequest):
        open_directory(spool, name, UID)


def test_a_linked_directory_is_not_opened(spool: Path, tmp_path: Path) -> None:
    (spool / "link").symlink_to("/etc")
    with pytest.raises(ArtifactFailed):
        open_directory(spool, "link", UID)


def test_a_directory_of_another_user_is_not_opened(spool: Path) -> None:
    with pytest.raises(Denied):
        open_directory(spool, ID.hex(), UID + 1)


@pytest.mark.parametrize("name", [b"..", b".", b"", b"a/b", b"../x", b"/etc/shadow", b"\xff"])
def test_only_a_name_of_one_component_names_a_file(spool: Path, name: bytes) -> None:
    entry = spooled(name)
    with pytest.raises(ArtifactdError):
        SubmissionFiles(spool, UID, submit(entry)).open(entry)


def test_links_fifos_and_directories_in_the_spool_are_refused(spool: Path) -> None:
    here = spool / ID.hex()
    (here / "link").symlink_to("/etc/passwd")
    os.mkfifo(here / "fifo")
    (here / "dir").mkdir()
    for name in (b"link", b"fifo", b"dir"):
        entry = spooled(name)
        with pytest.raises((ArtifactFailed, Denied)):
            SubmissionFiles(spool, UID, submit(entry)).open(entry)


def test_files_in_place_of_another_uid_are_never_opened(spool: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"x")
    entry = in_place(path)
    with pytest.raises(Denied, match="another user"):
        SubmissionFiles(spool, UID + 1, submit(entry)).open(entry)


def test_a_relative_path_in_place_is_refused(spool: Path) -> None:
    entry = DraftEntry("a", 1, b"etc/passwd", 0, identity_of(os.stat("/etc/passwd")))
    with pytest.raises(InvalidRequest, match="absolute"):
        SubmissionFiles(spool, UID, submit(entry)).open(entry)


def test_a_file_in_place_that_changed_in_any_way_is_refused(spool: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write(content: bytes) -> None:
        path.write_bytes(content)

    def replace_file() -> None:
        other = tmp_path / "other"
        other.write_bytes(b"same size")
        other.rename(path)

    for change in (
        lambda: write(b"other siz"),
        lambda: write(b"longer than before"),
        lambda: write(b""),
        replace_file,
        path.unlink,
    ):
        write(b"same size")
        entry = in_place(path)
        files = SubmissionFiles(spool, UID, submit(entry))
        os.close(files.open(entry))
        change()
        with pytest.raises(FileChanged):
            files.open(entry)
        with pytest.raises(FileChanged):
            files.stat_in_place(entry)


def test_a_store_through_a_mapping_shows_once_the_file_is_opened(spool: Path, tmp_path: Path) -> None:
    """A store to a page that is dirty already changes no stamp until the page was written: open() syncs first."""
    path = tmp_path / "mapped"
    path.write_bytes(b"a" * 4096)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096) as mapping:
        mapping[0:1] = b"b"
        entry = in_place(path)
        files = SubmissionFiles(spool, UID, submit(entry))
        fd = files.open(entry)
        mapping[0:1] = b"c"
        mapping.flush()
        with pytest.raises(FileChanged):
            files.check_unchanged(entry, fd)
        os.close(fd)


def test_a_spooled_manifest_must_be_what_was_sent(spool: Path) -> None:
    data = b"".join(pack_draft([spooled()]))
    path = spool / ID.hex() / "manifest"
    path.write_bytes(data)
    described = SpoolFile(name="manifest", size=len(data), xxh3=xxhash.xxh3_128_digest(data))
    assert list(SubmissionFiles(spool, UID, submit(manifest_file=described)).entries()) == [spooled()]
    path.write_bytes(data.replace(b"pack", b"pick"))
    with pytest.raises(ArtifactFailed, match="not what the client wrote"):
        list(SubmissionFiles(spool, UID, submit(manifest_file=described)).entries())


@pytest.mark.parametrize(
    "entries",
    [
        [spooled(path="../x")],
        [spooled(path="b"), spooled(path="a")],
        [spooled(path="a"), spooled(path="a/b")],
    ],
)
def test_a_drafted_manifest_against_the_rules_is_refused(spool: Path, entries: list[DraftEntry]) -> None:
    with pytest.raises(InvalidRequest):
        list(SubmissionFiles(spool, UID, submit(*entries)).entries())


@pytest.mark.parametrize(
    "block", [msgpack.packb([["a", "1", b"x", 0, None]]), msgpack.packb([["a", 1, b"x"]]), b"\x91" * 100_000]
)
def test_a_drafted_manifest_of_other_types_is_refused(spool: Path, block: bytes) -> None:
    data = b"".join(pack_draft([])) + len(block).to_bytes(4, "big") + (1).to_bytes(4, "big") + b"a" + block
    with pytest.raises(InvalidRequest):
        list(SubmissionFiles(spool, UID, submit(manifest=data)).entries())
