"""What the store has is not sent again, what did not change is not read again, and the spool empties."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from api.support import SECONDS, made_of, spooled, uploaded_bytes
from artifactd.client import Artifact, ArtifactFailed, Client
from harness.daemon import DaemonProcess

BIG = 9 << 20


@pytest.fixture
def files() -> dict[str, bytes]:
    """Contents that no other test has."""
    return {"big": os.urandom(BIG), "small": os.urandom(1000), "empty": b""}


@contextmanager
def sending(client: Client, least: int, most: int) -> Iterator[None]:
    """What the block logs and waits for makes the daemon send so many bytes."""
    before = uploaded_bytes(client)
    yield
    assert least <= uploaded_bytes(client) - before <= most


def test_logging_the_same_again_sends_nothing(client: Client, name: str, files: dict[str, bytes]) -> None:
    with sending(client, BIG + 1000, BIG + 2000):
        client.log_artifact(made_of(name, files)).wait(SECONDS)
    with sending(client, 0, 0):
        client.log_artifact(made_of(name, files)).wait(SECONDS)
        client.log_artifact(made_of(f"{name}.other", files)).wait(SECONDS)


def test_only_what_is_new_is_sent(client: Client, name: str, files: dict[str, bytes]) -> None:
    client.log_artifact(made_of(name, files)).wait(SECONDS)
    files |= {"copy": files["big"], "new": os.urandom(5000)}
    with sending(client, 5000, 6000):
        assert client.log_artifact(made_of(name, files)).wait(SECONDS).version == "v1"


def test_the_same_bytes_twice_in_one_artifact_are_sent_once(client: Client, name: str) -> None:
    data = os.urandom(BIG)
    with sending(client, BIG, BIG + 1000):
        client.log_artifact(made_of(name, {"one": data, "two": data})).wait(SECONDS)


def test_the_same_new_bytes_in_many_artifacts_at_once_are_sent_once(
    held: AbstractContextManager[None], client: Client, name: str, files: dict[str, bytes]
) -> None:
    with sending(client, BIG + 1000, BIG + 5000):
        with held:
            handles = [
                client.log_artifact(made_of(f"{name}.{number}", {**files, f"{number}": b""}))
                for number in range(4)
            ]
        assert [handle.wait(SECONDS).version for handle in handles] == ["v0"] * 4


def test_entities_share_nothing(client: Client, name: str, files: dict[str, bytes]) -> None:
    client.log_artifact(made_of(name, files)).wait(SECONDS)
    with Client(client.link.socket, entity="others") as other, sending(client, BIG + 1000, BIG + 2000):
        other.log_artifact(made_of(name, files)).wait(SECONDS)


def bytes_read(client: Client) -> int:
    """By the daemon, since its start, by any system call that reads."""
    counters = Path(f"/proc/{client.status()['daemon']['pid']}/io").read_text()
    return int(dict(line.split(": ") for line in counters.splitlines())["rchar"])


def test_an_immutable_file_that_did_not_change_is_not_read_again(client: Client, name: str) -> None:
    # Only a file whose last change is a while ago can be known again.
    path = Path(os.path.realpath(os.__file__)).with_name("pydoc_data") / "topics.py"
    size = path.stat().st_size
    read = []
    # A checkpoint of the journal or of the catalog reads too, but not twice among so few.
    for number in range(3):
        artifact = Artifact(f"{name}.{number}", "dataset")
        artifact.add_file(path, policy="immutable")
        before = bytes_read(client)
        client.log_artifact(artifact).wait(SECONDS)
        read.append(bytes_read(client) - before)
    assert read[0] >= size > 500_000
    assert min(read[1:]) < size


def test_nothing_of_what_is_committed_stays_in_the_spool(
    daemon: DaemonProcess, held: AbstractContextManager[None], client: Client, name: str, files: dict[str, bytes]
) -> None:
    with held:
        handles = [client.log_artifact(made_of(name, {**files, f"{number}": b""})) for number in range(3)]
        assert all(spooled(daemon, handle).is_dir() for handle in handles)
        assert client.status()["spool"]["used"] == 3 * (BIG + 1000)
    for handle in handles:
        handle.wait(SECONDS)
    assert daemon.uncleaned({handle.id for handle in handles}) == []
    assert client.status()["spool"]["used"] == 0


def test_an_immutable_file_needs_no_spool(
    daemon: DaemonProcess, held: AbstractContextManager[None], client: Client, name: str
) -> None:
    artifact = Artifact(name, "dataset")
    artifact.add_file(sys.executable, policy="immutable")
    with held:
        assert not spooled(daemon, client.log_artifact(artifact)).exists()


def test_what_a_failed_artifact_held_stays_in_the_spool(daemon: DaemonProcess, client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {}))
    handle = client.log_artifact(made_of(name, {"a": b"precious"}, type="model"))
    with pytest.raises(ArtifactFailed):
        handle.wait(SECONDS)
    client.log_artifact(made_of(name, {"b": b""})).wait(SECONDS)
    assert [path.read_bytes() for path in spooled(daemon, handle).iterdir()] == [b"precious"]


def test_an_artifact_that_is_never_logged_leaves_nothing(daemon: DaemonProcess, name: str) -> None:
    before = set(daemon.spool.iterdir())
    artifact = made_of(name, {"a": b"x" * 100_000})
    assert len(set(daemon.spool.iterdir()) - before) == 1
    del artifact
    assert set(daemon.spool.iterdir()) <= before
