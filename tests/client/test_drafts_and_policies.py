"""What is logged is the content at the moment of `add_file`, whatever happens to the file afterwards."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from drafted_files import contents, drafted
from fake_daemon import FakeDaemon

from artifactd.client import Artifact, Client, FileChanged, InvalidRequest, OutOfSpace, _snapshot
from artifactd.protocol.manifest import Identity

SMALL = b"old contents"
BIG = SMALL * 20_000


def overwrite(path: Path) -> None:
    path.write_bytes(b"NEW CONTENTS" * 20_000)


def truncate(path: Path) -> None:
    os.truncate(path, 3)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    other = path.with_suffix(".tmp")
    other.write_bytes(b"other")
    other.replace(path)


def delete(path: Path) -> None:
    path.unlink()


CHANGES = pytest.mark.parametrize("change", [overwrite, truncate, append, replace, delete])


@pytest.mark.parametrize("old", [SMALL, BIG], ids=["packed", "own-file"])
@CHANGES
def test_a_change_right_after_add_file_is_not_logged(
    daemon: FakeDaemon, client: Client, file: Path, old: bytes, change: Callable[[Path], None]
) -> None:
    file.write_bytes(old)
    artifact = Artifact("model", "model")
    artifact.add_file(file)
    change(file)
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"weights.bin": old}


def test_moved_files_leave_their_place_and_keep_their_content(
    daemon: FakeDaemon, client: Client, file: Path
) -> None:
    inode = file.stat().st_ino
    artifact = Artifact("model", "model")
    artifact.add_file(file, policy="move")
    assert not file.exists()
    client.log_artifact(artifact)
    (entry,) = drafted(daemon.spool, daemon.submits()[0])
    stored = daemon.spool / daemon.submits()[0].id.hex() / os.fsdecode(entry.source)
    assert stored.read_bytes() == SMALL
    assert stored.stat().st_ino == inode


def test_a_moved_file_with_a_second_hard_link_is_copied(daemon: FakeDaemon, client: Client, file: Path) -> None:
    link = file.with_suffix(".link")
    os.link(file, link)
    artifact = Artifact("model", "model")
    artifact.add_file(file, policy="move")
    assert not file.exists()
    overwrite(link)
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"weights.bin": SMALL}


@pytest.mark.parametrize("whole", [False, True], ids=["file", "directory"])
def test_moving_a_link_takes_a_snapshot_and_the_link_and_leaves_what_it_points_to(
    whole: bool, daemon: FakeDaemon, client: Client, file: Path
) -> None:
    folder = file.with_name("folder")
    folder.mkdir()
    link = folder / "link"
    link.symlink_to(file)
    artifact = Artifact("model", "model")
    if whole:
        artifact.add_dir(folder, policy="move")
    else:
        artifact.add_file(link, policy="move")
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"link": SMALL}
    assert file.read_bytes() == SMALL
    assert list(folder.iterdir()) == []


def test_immutable_files_are_named_with_their_identity_and_cost_no_spool(
    daemon: FakeDaemon, client: Client, file: Path
) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    artifact = Artifact("model", "model")
    artifact.add_dir(file.parent, policy="immutable")
    client.log_artifact(artifact)
    for entry in drafted(daemon.spool, daemon.submits()[0]):
        status = file.stat()
        assert entry.source == os.fsencode(file.resolve())
        assert entry.identity == Identity(
            status.st_dev, status.st_ino, len(SMALL), status.st_mtime_ns, status.st_ctime_ns
        )
    assert list(daemon.spool.iterdir()) == []


def test_immutable_files_are_snapshotted_where_the_daemon_cannot_read_in_place(
    daemon: FakeDaemon, client: Client, file: Path
) -> None:
    daemon.in_place = False
    artifact = Artifact("model", "model")
    artifact.add_file(file, policy="immutable")
    overwrite(file)
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"weights.bin": SMALL}


def test_a_written_file_is_in_the_spool_from_its_first_byte(daemon: FakeDaemon, client: Client) -> None:
    artifact = Artifact("model", "model")
    with artifact.new_file("a/b.bin", "xb") as file:
        file.write(BIG)
        file.flush()
        (written,) = daemon.spool.glob("*/1")
        assert written.stat().st_size == len(BIG)
    with artifact.new_file("c.txt", encoding="utf-16") as text:
        text.write("ü")
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"a/b.bin": BIG, "c.txt": "ü".encode("utf-16")}


def test_an_exception_while_writing_drops_the_file(daemon: FakeDaemon, client: Client) -> None:
    artifact = Artifact("model", "model")
    with suppress(ZeroDivisionError), artifact.new_file("a") as file:
        file.write("half")
        raise ZeroDivisionError
    assert artifact.entries == {}
    assert list(daemon.spool.glob("*/*")) == []


def test_many_small_files_share_one_spool_file(daemon: FakeDaemon, client: Client, tmp_path: Path) -> None:
    expected = {}
    for index in range(300):
        expected[f"d/{index:03}"] = os.urandom(index * 50)
        (tmp_path / f"{index:03}").write_bytes(expected[f"d/{index:03}"])
    artifact = Artifact("data", "dataset")
    artifact.add_dir(tmp_path, name="d")
    client.log_artifact(artifact)
    (submit,) = daemon.submits()
    assert contents(daemon.spool, submit) == expected
    assert (submit.files, submit.size) == (300, sum(map(len, expected.values())))
    assert os.listdir(daemon.spool / submit.id.hex()) == ["pack"]


def test_a_big_manifest_travels_as_a_checked_file(home: Path, tmp_path: Path) -> None:
    for index in range(100):
        (tmp_path / f"{index}").write_bytes(b"x")
    with FakeDaemon(home, inline_manifest=1000) as daemon, Client(daemon.path) as client:
        artifact = Artifact("data", "dataset")
        artifact.add_dir(tmp_path)
        client.log_artifact(artifact)
        (submit,) = daemon.submits()
        assert submit.manifest is None
        assert len(contents(daemon.spool, submit)) == 100


def test_entries_ascend_by_the_bytes_of_their_paths(daemon: FakeDaemon, client: Client, tmp_path: Path) -> None:
    paths = ["a/b", "a.txt", "a0", "é", "z", "Z", "\U0001f600", "ﬀ"]
    for path in paths:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    artifact = Artifact("data", "dataset")
    artifact.add_dir(tmp_path)
    client.log_artifact(artifact)
    found = [entry.path for entry in drafted(daemon.spool, daemon.submits()[0])]
    assert found == sorted(paths, key=str.encode)


@pytest.mark.parametrize("old", [SMALL, BIG], ids=["packed", "own-file"])
def test_a_file_that_never_stops_changing_is_an_error_and_no_mixture(
    client: Client, daemon: FakeDaemon, file: Path, old: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(old)

    def with_a_writer(real: Callable[..., object]) -> Callable[..., object]:
        def read(*arguments: int) -> object:
            append(file)
            return real(*arguments)

        return read

    monkeypatch.setattr(os, "pread", with_a_writer(os.pread))
    monkeypatch.setattr(os, "copy_file_range", with_a_writer(os.copy_file_range))
    monkeypatch.setattr(_snapshot, "_clone", lambda *_: False)
    artifact = Artifact("model", "model")
    with pytest.raises(FileChanged, match="kept changing"):
        artifact.add_file(file)
    assert artifact.entries == {}
    assert list(daemon.spool.glob("*/*")) == []


@pytest.mark.parametrize("old", [SMALL, BIG], ids=["packed", "own-file"])
def test_a_file_rewritten_while_it_is_copied_is_copied_again(
    client: Client, daemon: FakeDaemon, file: Path, old: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(old)
    os.utime(file, (1, 1))  # clocks of older kernels tick too slowly to tell two writes in a row apart
    new = old.swapcase()

    def with_a_writer(real: Callable[..., object]) -> Callable[..., object]:
        def read(*arguments: int) -> object:
            result = real(*arguments)
            if file.read_bytes() == old:
                file.write_bytes(new)
            return result

        return read

    artifact = Artifact("model", "model")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", with_a_writer(os.pread))
        patch.setattr(os, "copy_file_range", with_a_writer(os.copy_file_range))
        patch.setattr(_snapshot, "_clone", lambda *_: False)
        artifact.add_file(file)
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"weights.bin": new}


def test_files_are_copied_where_the_kernel_cannot(
    client: Client, daemon: FakeDaemon, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    file.write_bytes(BIG)
    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(_snapshot, "_clone", lambda *_: False)
    artifact = Artifact("model", "model")
    artifact.add_file(file)
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"weights.bin": BIG}


@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "device", "missing"])
def test_only_regular_files_are_taken(client: Client, tmp_path: Path, home: Path, kind: str) -> None:
    path = tmp_path / kind
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "socket":
            path = home / "d.sock"
        case "directory":
            path.mkdir()
        case "device":
            path = Path("/dev/null")
    for policy in ("mutable", "immutable", "move"):
        with pytest.raises(ValueError, match=path.name):
            Artifact("model", "model").add_file(path, policy=policy)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [100, 100_000], ids=["packed", "own-file"])
def test_the_daemons_reserve_is_left_alone(client: Client, daemon: FakeDaemon, tmp_path: Path, size: int) -> None:
    daemon.reserve = 1 << 60
    (tmp_path / "f").write_bytes(b"x" * size)
    artifact = Artifact("model", "model")

    def log() -> None:
        artifact.add_file(tmp_path / "f")
        client.log_artifact(artifact)

    with pytest.raises(OutOfSpace, match="reserve"):
        log()
    assert list(daemon.spool.glob("*/*")) == []


def test_a_full_disk_leaves_no_half_file(
    client: Client, daemon: FakeDaemon, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file.write_bytes(BIG)
    artifact = Artifact("model", "model")
    with monkeypatch.context() as patch:
        patch.setattr(os, "copy_file_range", full)
        patch.setattr(_snapshot, "_clone", lambda *_: False)
        with pytest.raises(OutOfSpace):
            artifact.add_file(file)
    assert list(daemon.spool.glob("*/*")) == []
    artifact.add_file(file)
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"weights.bin": BIG}


def test_an_artifact_that_is_never_logged_leaves_nothing_in_the_spool(
    client: Client, daemon: FakeDaemon, file: Path
) -> None:
    artifact = Artifact("model", "model")
    artifact.add_file(file, policy="move")
    (draft,) = daemon.spool.iterdir()
    assert draft.name.startswith(f"{os.getuid()}-")
    assert draft.stat().st_mode & 0o777 == 0o700
    del artifact
    assert list(daemon.spool.iterdir()) == []


def test_an_artifact_can_be_logged_with_a_client_of_another_daemon(
    client: Client, daemon: FakeDaemon, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    artifact = Artifact("model", "model")
    artifact.add_file(file)
    with artifact.new_file("b", "wb") as written:
        written.write(BIG)
    with FakeDaemon(tmp_path / "other") as second, Client(second.path) as other:
        other.log_artifact(artifact)
        assert contents(second.spool, second.submits()[0]) == {"weights.bin": SMALL, "b": BIG}
    assert list(daemon.spool.iterdir()) == []


def test_threads_can_add_to_one_artifact(client: Client, daemon: FakeDaemon, tmp_path: Path) -> None:
    artifact = Artifact("model", "model")

    def work(index: int) -> None:
        for number in range(40):
            path = tmp_path / f"{index}-{number}"
            path.write_bytes(f"{index}-{number}".encode() * (10_000 if number % 7 == 0 else 1))
            artifact.add_file(path)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.log_artifact(artifact)
    expected = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert contents(daemon.spool, daemon.submits()[0]) == expected


def test_what_is_sent_twice_after_an_interrupt_is_still_whole(
    client: Client, daemon: FakeDaemon, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = Artifact("model", "model")
    artifact.add_file(file)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("artifactd.client._spool.os.rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.log_artifact(artifact)
    client.log_artifact(artifact)
    assert contents(daemon.spool, daemon.submits()[0]) == {"weights.bin": SMALL}


def test_a_sealed_artifact_refuses_changes(client: Client, file: Path) -> None:
    artifact = Artifact("model", "model")
    client.log_artifact(artifact)
    with pytest.raises(InvalidRequest):
        client.log_artifact(artifact, name="other")
    with pytest.raises(ValueError, match="finalized"):
        artifact.add_file(file)
