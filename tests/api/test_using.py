"""`use_artifact` of an artifact that was not logged: whoever passes the same contents uses the same version."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, made_of
from artifactd.client import Api, ArtifactFailed, Client, InvalidRequest
from harness.daemon import DaemonProcess
from harness.processes import start_module

PROCESSES = 10

StartUser = Callable[[str, int], subprocess.Popen[bytes]]


@pytest.fixture
def start_user(daemon: DaemonProcess, client: Client) -> Iterator[StartUser]:
    """Starts `api.users`; it waits for its line."""
    with ExitStack() as running:

        def start(name: str, times: int) -> subprocess.Popen[bytes]:
            process = start_module(
                "api.users",
                name,
                str(times),
                environ={
                    "ARTIFACTD_SOCKET": str(daemon.socket),
                    "ARTIFACTD_ENTITY": client.scope.entity,
                    "ARTIFACTD_PROJECT": client.scope.project,
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            running.enter_context(process)
            running.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            return process

        yield start


def begin(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def said(process: subprocess.Popen[bytes]) -> set[bytes]:
    """What the process printed until it ended well."""
    assert process.stdout is not None
    lines = {line.strip() for line in process.stdout}
    assert process.wait(SECONDS) == 0
    return lines


def test_ten_processes_that_pass_equal_contents_at_once_get_one_version(
    client: Client, name: str, start_user: StartUser
) -> None:
    users = [start_user(name, 3) for _ in range(PROCESSES)]
    for user in users:
        begin(user)
    assert [said(user) for user in users] == [{b"v0"}] * PROCESSES
    assert [version.version for version in client.versions(name)] == [0]
    assert len(Api().artifact(name).used_by()) == PROCESSES


def test_processes_that_are_killed_and_started_again_get_the_same_version(
    client: Client, name: str, start_user: StartUser
) -> None:
    for _ in range(3):
        users = [start_user(name, 1_000) for _ in range(3)]
        for user in users:
            begin(user)
        assert users[0].stdout is not None
        assert users[0].stdout.readline() == b"v0\n"
        for user in users:
            user.send_signal(signal.SIGKILL)
            user.wait()
    last = start_user(name, 1)
    begin(last)
    assert said(last) == {b"v0"}
    assert [version.version for version in client.versions(name)] == [0]


def test_an_older_version_with_the_same_contents_is_used_and_latest_stays(client: Client, name: str) -> None:
    for contents in (b"1", b"2"):
        client.log_artifact(made_of(name, {"a": contents})).wait(SECONDS)
    used = client.use_artifact(made_of(name, {"a": b"1"}), aliases=["best"])
    assert (used.version, used.aliases) == ("v0", ["best"])
    assert client.version(name).version == 1


def test_a_run_that_logged_what_it_uses_is_not_its_producer(client: Client, name: str) -> None:
    with artifactd.init() as run:
        used = run.use_artifact(made_of(name, {"a": b"1"}))
        assert used.logged_by() is None
        assert len(run.logged_artifacts()) == 0
        assert [item.name for item in run.used_artifacts()] == [f"{name}:v0"]


def test_a_deleted_version_is_not_used_again(client: Client, name: str) -> None:
    client.use_artifact(made_of(name, {"a": b"1"})).delete(delete_aliases=True)
    assert client.use_artifact(made_of(name, {"a": b"1"})).version == "v1"


def test_a_wrong_type_is_refused_before_anything_is_logged(client: Client, name: str) -> None:
    with pytest.raises(InvalidRequest, match="'dataset', not 'model'"):
        client.use_artifact(made_of(name, {"a": b"1"}), type="model")
    assert not Api().artifact_exists(name)
    client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS)
    with pytest.raises(ArtifactFailed, match="holds artifacts of type 'dataset', not 'model'"):
        client.use_artifact(made_of(name, {"a": b"1"}, type="model"), type="model")


def test_aliases_are_refused_for_what_is_logged_already(client: Client, name: str) -> None:
    artifact = made_of(name, {"a": b"1"})
    client.log_artifact(artifact).wait(SECONDS)
    for logged in (artifact, name, Api().artifact(name)):
        with pytest.raises(InvalidRequest, match="not logged yet"):
            client.use_artifact(logged, aliases=["best"])
    assert client.version(name).aliases == ("latest",)


def test_a_directory_of_files_is_compared_by_its_contents(client: Client, name: str, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}").write_bytes(b"%d" % number)
    versions = set()
    for _ in range(2):
        artifact = artifactd.Artifact(name, "dataset")
        artifact.add_dir(tmp_path)
        versions.add(client.use_artifact(artifact).version)
    assert versions == {"v0"}
