"""The node's cache as processes see it: shared, bounded, and never believed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.support import SECONDS, blob_of, files_below, made_of
from artifactd.client import Artifact, Client
from harness.daemon import DaemonProcess
from harness.processes import environment, start_module

FILES = {"a": b"aaaa", "big": os.urandom(1 << 20), "deep/b": b"bbbb", "deep/twin": b"bbbb", "empty": b""}


@pytest.fixture
def logged(client: Client, name: str) -> Artifact:
    return client.log_artifact(made_of(name, FILES)).wait(SECONDS)


def cached(daemon: DaemonProcess, artifact: Artifact, path: str) -> Path:
    digest = str(artifact.entries[path].digest).removeprefix("blake3:")
    return daemon.home / "cache" / "blobs" / digest[:2] / digest[2:]


def test_a_second_download_needs_no_store(client: Client, blobs: Path, name: str, tmp_path: Path) -> None:
    logged = client.log_artifact(made_of(name, {"a": os.urandom(10), "b": os.urandom(10)})).wait(SECONDS)
    first = files_below(logged.download(tmp_path / "first"))
    for path in first:
        blob_of(blobs, logged, path).unlink()
    assert files_below(logged.download(tmp_path / "second")) == first


def test_what_a_user_does_to_a_downloaded_file_harms_nobody(
    daemon: DaemonProcess, logged: Artifact, tmp_path: Path
) -> None:
    logged.download(tmp_path / "mine")
    (tmp_path / "mine" / "big").write_bytes(b"overwritten")
    assert files_below(logged.download(tmp_path / "other")) == FILES


@pytest.mark.parametrize("path", ["a", "big"])
def test_a_damaged_blob_of_the_cache_is_noticed_and_fetched_anew(
    path: str, daemon: DaemonProcess, logged: Artifact, tmp_path: Path
) -> None:
    logged.download(tmp_path / "first")
    blob = cached(daemon, logged, path)
    blob.chmod(0o600)
    blob.write_bytes(b"X" * len(FILES[path]))
    assert files_below(logged.download(tmp_path / "second")) == FILES
    assert blob.read_bytes() == FILES[path]


def test_a_blob_that_was_deleted_from_the_cache_is_fetched_anew(
    daemon: DaemonProcess, logged: Artifact, tmp_path: Path
) -> None:
    logged.download(tmp_path / "first")
    cached(daemon, logged, "a").unlink()
    assert files_below(logged.download(tmp_path / "second")) == FILES


def test_a_damaged_manifest_in_the_cache_is_noticed_and_fetched_anew(
    daemon: DaemonProcess, logged: Artifact, tmp_path: Path
) -> None:
    logged.download(tmp_path / "first")
    digest = logged.digest.removeprefix("blake3:")
    manifest = daemon.home / "cache" / "blobs" / digest[:2] / digest[2:]
    manifest.unlink()
    manifest.write_bytes(b"artifactd manifest 1\n")
    assert files_below(logged.download(tmp_path / "second")) == FILES


def test_links_are_read_only_and_share_the_disk(daemon: DaemonProcess, logged: Artifact, tmp_path: Path) -> None:
    logged.download(tmp_path / "filled")
    root = Path(logged.download(tmp_path / "linked", link=True))
    assert files_below(root) == FILES
    assert (root / "big").samefile(cached(daemon, logged, "big"))
    assert {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()} == {0o444}


def test_links_are_made_at_once_by_a_download_that_fetches(
    daemon: DaemonProcess, logged: Artifact, tmp_path: Path
) -> None:
    root = Path(logged.download(tmp_path / "linked", link=True))
    assert files_below(root) == FILES
    assert (root / "big").samefile(cached(daemon, logged, "big"))


def test_a_link_replaces_what_differs_atomically_and_a_copy_replaces_a_link(
    logged: Artifact, name: str, client: Client, tmp_path: Path
) -> None:
    logged.download(tmp_path)
    (tmp_path / "a").write_bytes(b"mine")
    logged.download(tmp_path, link=True)
    assert files_below(tmp_path) == FILES
    newer = client.log_artifact(made_of(name, {"a": b"newer"})).wait(SECONDS)
    newer.download(tmp_path)
    (tmp_path / "a").write_bytes(b"I may write to it")
    assert files_below(logged.download(tmp_path / "other")) == FILES


def test_where_there_can_be_no_link_the_files_are_read_only_copies(logged: Artifact, tmp_path: Path) -> None:
    with_memory = Path("/dev/shm", f"artifactd-{os.getpid()}")
    if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second filesystem at /dev/shm")
    try:
        logged.download(with_memory, link=True)
        assert files_below(with_memory) == FILES
        assert (with_memory / "big").stat().st_mode & 0o777 == 0o444
    finally:
        subprocess.run(["rm", "-r", with_memory], check=True)


def test_skipping_the_cache_leaves_nothing_in_it(
    daemon: DaemonProcess, client: Client, name: str, tmp_path: Path
) -> None:
    logged = client.log_artifact(made_of(name, {"a": os.urandom(10)})).wait(SECONDS)
    logged.download(tmp_path, skip_cache=True)
    assert not cached(daemon, logged, "a").exists()


def test_large_files_come_by_several_threads_and_none_is_left(
    client: Client, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifactd.client._download._BATCH_BYTES", 1 << 20)
    monkeypatch.setattr("artifactd.client._download._LANES", 4)
    files = {f"d{number % 3}/{number}": os.urandom(300_000) for number in range(40)}
    logged = client.log_artifact(made_of(name, files)).wait(SECONDS)
    before = threading.active_count()
    for root in ("cold", "warm"):
        assert files_below(logged.download(tmp_path / root)) == files
    assert threading.active_count() == before


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[Client, Path]]:
    """A client of a daemon that lists each object which it fetches in a file."""
    gets, home = tmp_path / "gets", Path(f"/tmp/artifactd-{os.urandom(4).hex()}")
    gets.touch()
    environ = {"ARTIFACTD_HOME": str(home), "ARTIFACTD_SPOOL__RESERVE": "1048576", "COUNT_GETS": str(gets)}
    process = start_module(
        "downloads.counting_daemon",
        "serve",
        environ=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while b"artifactd is ready" not in (line := process.stderr.readline()):
            assert line, "the daemon did not start"
        with Client(home / "artifactd.sock") as client:
            yield client, gets
    finally:
        process.terminate()
        process.communicate()
        subprocess.run(["rm", "-r", home], check=True)


def test_eight_processes_that_download_at_once_cost_one_fetch_of_each_blob(
    counted: tuple[Client, Path], tmp_path: Path
) -> None:
    client, gets = counted
    files = {f"{number:03}": os.urandom(2000) for number in range(700)}
    client.log_artifact(made_of("shared", files)).wait(SECONDS)
    program = (
        "import sys; from artifactd.client import Client\n"
        "found = Client(sys.argv[1]).use_artifact('shared')\n"
        "sys.stdin.read(1)\n"
        "found.download(sys.argv[2])"
    )
    start, everybody = os.pipe()
    trainers = [
        subprocess.Popen(
            [sys.executable, "-c", program, client.link.socket, tmp_path / str(number)],
            stdin=start,
            env=environment({}),
        )
        for number in range(8)
    ]
    os.close(start)
    os.write(everybody, bytes(8))
    os.close(everybody)
    assert [trainer.wait(SECONDS) for trainer in trainers] == [0] * 8
    for number in range(8):
        assert files_below(tmp_path / str(number)) == files
    fetched = Counter(gets.read_text().split())
    assert len(fetched) == len(files) + 1  # and the manifest
    assert set(fetched.values()) == {1}
