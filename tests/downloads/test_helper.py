"""Processes that help with many small files: same results, same errors, and never needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from blake3 import blake3

from api.support import SECONDS, files_below, made_of
from artifactd.client import Artifact, Client, InvalidRequest, _download, _helper, _porter
from artifactd.client._helper import Helper, HelperLost
from artifactd.protocol.manifest import Entry, digest_of
from harness.daemon import DaemonProcess

FILES = {f"d{number % 7}/{number}": b"%d" % (number // 2) for number in range(2100)}


@pytest.fixture
def logged(client: Client, name: str, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    monkeypatch.setattr(_download, "_LANES", 3)
    return client.log_artifact(made_of(name, FILES)).wait(SECONDS)


class Witness(Helper):
    """A helper that takes down what it was asked to carry, and dies when told."""

    carried = 0
    dies = False

    def carry(self, batch: object) -> list[Entry]:
        assert isinstance(batch, list)
        if Witness.dies:
            self._process.kill()
            self._process.wait()
        missing = super().carry(batch)
        Witness.carried += len(batch) - len(missing)
        return missing


@pytest.fixture(autouse=True)
def witness(monkeypatch: pytest.MonkeyPatch) -> type[Witness]:
    Witness.carried, Witness.dies = 0, False
    monkeypatch.setattr(_porter, "Helper", Witness)
    return Witness


def cached(root: Path, data: bytes, path: str) -> Entry:
    digest = blake3(data).hexdigest()
    (root / digest[:2]).mkdir(parents=True, exist_ok=True)
    (root / digest[:2] / digest[2:]).write_bytes(data)
    return Entry(path, digest_of(bytes.fromhex(digest)), len(data))


def test_a_download_of_many_small_files_is_whole_cold_and_warm(
    logged: Artifact, witness: type[Witness], tmp_path: Path
) -> None:
    assert files_below(logged.download(tmp_path / "cold")) == FILES
    witness.carried = 0
    before = threading.active_count()
    assert files_below(logged.download(tmp_path / "warm")) == FILES
    assert witness.carried > 0
    assert threading.active_count() == before


def test_a_helper_that_dies_is_done_without(logged: Artifact, witness: type[Witness], tmp_path: Path) -> None:
    logged.download(tmp_path / "cold")
    witness.carried, witness.dies = 0, True
    assert files_below(logged.download(tmp_path / "warm")) == FILES
    assert witness.carried == 0


def test_without_a_python_to_start_there_are_no_helpers(
    logged: Artifact, witness: type[Witness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for executable in ("", "/usr/bin/true", "/nowhere/python3"):
        monkeypatch.setattr(sys, "executable", executable)
        assert files_below(logged.download(tmp_path / f"root{len(executable)}")) == FILES
    assert witness.carried == 0


def test_a_damaged_blob_is_noticed_by_a_helper_too(
    daemon: DaemonProcess, logged: Artifact, tmp_path: Path
) -> None:
    logged.download(tmp_path / "cold")
    for blob in (daemon.home / "cache" / "blobs").glob("*/*"):
        if blob.stat().st_size == 4:
            blob.chmod(0o600)
            blob.write_bytes(b"XXXX")
    assert files_below(logged.download(tmp_path / "warm")) == FILES


def test_what_is_in_the_way_is_an_error_of_the_download(logged: Artifact, tmp_path: Path) -> None:
    logged.download(tmp_path / "cold")
    for number in range(7):
        for path in [path for path in FILES if path.startswith(f"d{number}/")]:
            (tmp_path / "warm" / path).mkdir(parents=True)
    with pytest.raises(InvalidRequest, match="a directory is in its place"):
        logged.download(tmp_path / "warm")


def test_a_helper_answers_what_it_does_not_have_and_takes_links(tmp_path: Path) -> None:
    here, damaged = (
        cached(tmp_path / "cache", b"here", "d/here"),
        cached(tmp_path / "cache", b"right", "d/damaged"),
    )
    absent = Entry("absent", digest_of(bytes(32)), 3)
    blob = damaged.digest.removeprefix("blake3:")
    (tmp_path / "cache" / blob[:2] / blob[2:]).write_bytes(b"wrong")
    helper = Helper(str(tmp_path / "root"), read_only=True, cache=str(tmp_path / "cache"))
    try:
        assert helper.carry([absent, damaged, here]) == [absent, damaged]
    finally:
        helper.close()
    assert files_below(tmp_path / "root") == {"d/here": b"here"}
    assert (tmp_path / "root/d/here").stat().st_nlink == 2


def test_a_helper_ends_with_its_input_and_does_not_hear_ctrl_c(tmp_path: Path) -> None:
    helper = Helper(str(tmp_path / "root"), read_only=False, cache="")
    assert helper.carry([]) == []
    process = helper._process
    assert os.getpgid(process.pid) != os.getpgid(0)
    helper.close()
    assert process.returncode == 0


def test_a_helper_that_cannot_be_used_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = Helper(str(tmp_path / "root"), read_only=False, cache="")
    helper._process.send_signal(signal.SIGKILL)
    with pytest.raises(HelperLost):
        helper.carry([])
    helper.close()
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    with pytest.raises(HelperLost):
        Helper(str(tmp_path / "root"), read_only=False, cache="")


def test_ctrl_c_ends_a_download_with_its_helpers(daemon: DaemonProcess, logged: Artifact, tmp_path: Path) -> None:
    logged.download(tmp_path / "cold")
    program = (
        "import os, signal, sys\n"
        "from artifactd.client import Client, _carry, _download\n"
        "_download._LANES = 3\n"
        "put = _carry._from_cache\n"
        "def interrupted(*arguments):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return put(*arguments)\n"
        "_carry._from_cache = interrupted\n"
        "Client(sys.argv[1]).use_artifact(sys.argv[2]).download('warm')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(daemon.socket), logged.qualified_name],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
    )
    assert b"KeyboardInterrupt" in done.stderr
    assert len(files_below(tmp_path / "warm")) < len(FILES)
    assert not list((tmp_path / "warm").rglob(".artifactd-*"))
    assert files_below(logged.download(tmp_path / "warm")) == FILES


def test_only_a_python_is_started() -> None:
    assert _helper.possible()
