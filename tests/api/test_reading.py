"""Downloads: whole, in part, over what is there already, and from a store that was tampered with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from api.support import SECONDS, blob_of, files_below, made_of
from artifactd.client import Artifact, ArtifactdError, Client, CorruptDownload, InvalidRequest
from harness.daemon import DaemonProcess

FILES = {
    "a": b"aaaa",
    "big": os.urandom(9 << 20),
    "deep/b": b"bbbb",
    "deep/twin": b"bbbb",
    "deeper/c": b"",
    "z": b"z",
}


@pytest.fixture
def logged(client: Client, name: str) -> Artifact:
    return client.log_artifact(made_of(name, FILES)).wait(SECONDS)


def drafts(daemon: DaemonProcess) -> set[str]:
    """Directories of the spool that belong to clients."""
    return {path.name for path in daemon.spool.glob("*-*")}


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_a_fresh_download_has_every_file_and_leaves_nothing_behind(
    daemon: DaemonProcess, logged: Artifact, tmp_path: Path
) -> None:
    before = drafts(daemon)
    root = logged.download(tmp_path / "new" / "root")
    assert drafts(daemon) <= before
    assert root == str(tmp_path / "new" / "root")
    assert files_below(root) == FILES


def test_by_default_it_lands_below_artifacts(
    logged: Artifact, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = logged.download()
    assert Path(root) == Path("artifacts", f"{name}:v0")
    assert files_below(root) == FILES


def test_another_download_mends_what_differs_and_keeps_the_rest(logged: Artifact, tmp_path: Path) -> None:
    logged.download(tmp_path)
    (tmp_path / "a").write_bytes(b"AAAA")
    (tmp_path / "deep" / "b").write_bytes(b"longer than before")
    (tmp_path / "z").unlink()
    (tmp_path / "extra").write_bytes(b"mine")
    before = identity(tmp_path / "big")
    logged.download(tmp_path)
    assert files_below(tmp_path) == {**FILES, "extra": b"mine"}
    assert identity(tmp_path / "big") == before


def test_what_is_intact_needs_no_store(client: Client, blobs: Path, name: str, tmp_path: Path) -> None:
    files = {"a": os.urandom(100), "big": os.urandom(9 << 20)}
    logged = client.log_artifact(made_of(name, files)).wait(SECONDS)
    logged.download(tmp_path)
    for path in files:
        blob_of(blobs, logged, path).unlink()
    logged.download(tmp_path)
    assert files_below(tmp_path) == files


@pytest.mark.parametrize(("prefix", "expected"), [("deep/", 2), ("deep", 3), ("big", 1), ("", 6), (None, 6)])
def test_a_prefix_selects_files(prefix: str | None, expected: int, logged: Artifact, tmp_path: Path) -> None:
    root = logged.download(tmp_path / "root", path_prefix=prefix)
    assert files_below(root) == {path: data for path, data in FILES.items() if path.startswith(prefix or "")}
    assert len(files_below(root)) == expected


def test_a_version_found_by_its_address_is_the_same_version(
    logged: Artifact, client: Client, tmp_path: Path
) -> None:
    found = client.use_artifact(logged.qualified_name)
    sizes = {path: len(data) for path, data in FILES.items()}
    assert (found.digest, found.size, found.file_count) == (logged.digest, sum(sizes.values()), len(sizes))
    assert found.entries == logged.entries
    assert {path: entry.size for path, entry in found.entries.items()} == sizes
    assert files_below(found.download(tmp_path)) == FILES


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(("tamper", "path"), [(flip, "big"), (truncate, "a")])
def test_a_tampered_blob_is_refused_by_name_and_nothing_half_written_is_left(
    tamper: Callable[[Path], None],
    path: str,
    daemon: DaemonProcess,
    client: Client,
    blobs: Path,
    name: str,
    tmp_path: Path,
) -> None:
    files = {"a": os.urandom(1000), "big": os.urandom(9 << 20)}
    logged = client.log_artifact(made_of(name, files)).wait(SECONDS)
    (tmp_path / path).write_bytes(b"what was there")
    blob = blob_of(blobs, logged, path)
    tamper(blob)
    before = drafts(daemon)
    with pytest.raises(CorruptDownload) as failure:
        logged.download(tmp_path)
    assert f"blake3:{blob.parent.name}{blob.name}" in str(failure.value)
    assert (tmp_path / path).read_bytes() == b"what was there"
    assert not [name for name in os.listdir(tmp_path) if name not in files]
    assert all(files_below(tmp_path)[other] == files[other] for other in set(os.listdir(tmp_path)) - {path})
    assert drafts(daemon) <= before


def test_a_lost_blob_is_an_error_that_names_it(client: Client, blobs: Path, name: str, tmp_path: Path) -> None:
    logged = client.log_artifact(made_of(name, {"lost": os.urandom(100)})).wait(SECONDS)
    blob = blob_of(blobs, logged, "lost")
    blob.unlink()
    with pytest.raises(ArtifactdError, match=f"blake3:{blob.parent.name}{blob.name}"):
        logged.download(tmp_path)
    assert files_below(tmp_path) == {}


def test_nothing_is_written_outside_the_root_whatever_links_lie_in_it(logged: Artifact, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "victim").write_bytes(b"untouched")
    (root / "a").symlink_to(outside / "victim")
    (root / "z").symlink_to(outside / "not there yet")
    logged.download(root)
    assert not (root / "a").is_symlink()
    assert files_below(root) == FILES
    (root / "deep" / "b").unlink()
    (root / "deep" / "twin").unlink()
    (root / "deep").rmdir()
    (root / "deep").symlink_to(outside)
    with pytest.raises(InvalidRequest, match="'deep' is not a directory"):
        logged.download(root)
    assert files_below(outside) == {"victim": b"untouched"}


def test_the_root_itself_may_be_a_link(logged: Artifact, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    logged.download(tmp_path / "root")
    assert files_below(tmp_path / "real") == FILES


@pytest.mark.parametrize("path", ["a", "deep/b"])
def test_a_directory_in_a_files_place_is_refused(path: str, logged: Artifact, tmp_path: Path) -> None:
    (tmp_path / path / "mine").mkdir(parents=True)
    with pytest.raises(InvalidRequest, match="directory"):
        logged.download(tmp_path)
    assert (tmp_path / path / "mine").is_dir()


def test_two_downloads_into_one_root_at_once_are_both_whole(logged: Artifact, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            logged.download(tmp_path)
        except Exception as error:  # noqa: BLE001 the thread has nobody to raise it to
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert files_below(tmp_path) == FILES


def test_a_version_of_thousands_of_files_is_fetched_whole(client: Client, name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(1200):
        (source / str(number % 7)).mkdir(parents=True, exist_ok=True)
        (source / str(number % 7) / str(number)).write_bytes(b"%d" % (number // 2))
    logged = client.log_artifact(source, name=name, type="dataset").wait(SECONDS)
    assert logged.file_count == 1200
    assert files_below(logged.download(tmp_path / "back")) == files_below(source)


def test_a_client_that_goes_away_in_the_middle_of_a_download_harms_nobody(
    daemon: DaemonProcess, client: Client, blobs: Path, name: str, tmp_path: Path
) -> None:
    files = {"slow": os.urandom(100), "z": b"z"}
    logged = client.log_artifact(made_of(name, files)).wait(SECONDS)
    blob = blob_of(blobs, logged, "slow")
    blob.unlink()
    os.mkfifo(blob)
    program = (
        "import sys; from artifactd.client import Client\n"
        "Client(sys.argv[1]).use_artifact(sys.argv[2]).download('.')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, client.link.socket, logged.qualified_name],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    while not (daemon.home / "cache" / "partial" / f"{blob.parent.name}{blob.name}").exists():
        process.poll()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS)
    assert b"KeyboardInterrupt" in said
    # Until here the daemon stands still where it opens the blob.
    blob.open("wb").close()
    blob.unlink()
    blob.write_bytes(files["slow"])
    assert files_below(logged.download(tmp_path)) == files
    assert daemon.is_alive()
