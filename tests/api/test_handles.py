"""`LogHandle`: where an artifact stands, waiting for it in every style, and finding it again from elsewhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import trio

from api.support import SECONDS, made_of, until_state
from artifactd.client import (
    Api,
    Artifact,
    ArtifactFailed,
    ArtifactFinalizedError,
    ArtifactNotFound,
    ArtifactNotLoggedError,
    Client,
    InvalidRequest,
    LogHandle,
    WaitTimeout,
)
from harness.daemon import DaemonProcess
from harness.mischief import Gate


def test_state_and_progress_tell_how_far_it_is(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    with held:
        handle = client.log_artifact(made_of(name, {"a": b"123", "b": b"45"}))
        until_state(handle, "hashing")
        assert handle.progress == (0, 2, 0, 5)
        assert not handle.done()
    assert handle.wait(SECONDS).name == f"{name}:v0"
    assert (handle.state, handle.progress, handle.done()) == ("committed", (2, 2, 5, 5), True)


def test_a_wait_that_runs_out_of_time_stops_nothing(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    with held:
        handle = client.log_artifact(made_of(name, {"a": b""}))
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match=handle.id) as failure:
            handle.wait(0.2)
        assert 0.2 <= time.monotonic() - began < 2.0
        assert isinstance(failure.value, TimeoutError)
        with pytest.raises(WaitTimeout):
            handle.wait(0)
    assert handle.wait(SECONDS).version == "v0"


def test_durable_comes_before_committed(held: AbstractContextManager[None], client: Client, name: str) -> None:
    with held:
        handle = client.log_artifact(made_of(name, {"a": b"x"}))
        artifact = handle.wait(SECONDS, until="durable")
        assert not handle.done()
        with pytest.raises(ArtifactNotLoggedError):
            _ = artifact.version
    assert handle.wait(SECONDS, until="durable").wait(SECONDS).version == "v0"


def test_the_artifact_that_was_logged_becomes_the_version(client: Client, name: str) -> None:
    artifact = made_of(name, {"a": b"12"}, metadata={"epoch": 1})
    assert (artifact.name, artifact.state, artifact.size, artifact.file_count) == (name, "draft", 2, 1)
    handle = client.log_artifact(artifact, aliases=["best"], tags=["good"])
    assert handle.wait(SECONDS) is artifact
    assert artifact.wait() is artifact
    scope = client.scope
    assert artifact.qualified_name == f"{scope.entity}/{scope.project}/{name}:v0"
    assert (artifact.name, artifact.version, artifact.state) == (f"{name}:v0", "v0", "committed")
    assert (artifact.aliases, artifact.tags, artifact.metadata) == (["best", "latest"], ["good"], {"epoch": 1})
    assert artifact.entries["a"].size == 2
    assert artifact.digest.startswith("blake3:")


def test_the_handle_forwards_what_the_committed_artifact_has(client: Client, name: str) -> None:
    handle = client.log_artifact(made_of(name, {"a": b"12"}), aliases=["best"])
    handle.wait(SECONDS)
    assert (handle.version, handle.name, handle.size, handle.type) == ("v0", f"{name}:v0", 2, "dataset")
    with pytest.raises(AttributeError, match="no_such"):
        _ = handle.no_such


READ_LATER: dict[str, Callable[[Artifact], object]] = {
    "wait": lambda artifact: artifact.wait(),
    "version": lambda artifact: artifact.version,
    "qualified_name": lambda artifact: artifact.qualified_name,
    "aliases": lambda artifact: artifact.aliases,
    "download": lambda artifact: artifact.download(),
}


@pytest.mark.parametrize("what", READ_LATER)
def test_what_only_a_version_has_is_refused_before_logging(what: str, name: str) -> None:
    with pytest.raises(ArtifactNotLoggedError, match=f"{what} is known only once"):
        READ_LATER[what](made_of(name, {"a": b""}))


def test_a_logged_artifact_refuses_changes_and_logs_once(
    held: AbstractContextManager[None], client: Client, name: str, tmp_path: Path
) -> None:
    artifact = made_of(name, {"a": b""})
    with held:
        handle = client.log_artifact(artifact)
        with pytest.raises(ArtifactFinalizedError):
            artifact.metadata = {}  # it may be changed again once it is committed
    with pytest.raises(ArtifactFinalizedError), artifact.new_file("b"):
        pass
    with pytest.raises(ArtifactFinalizedError):
        artifact.add_dir(tmp_path)
    with pytest.raises(ArtifactFinalizedError, match="aliases and tags go with the first call"):
        client.log_artifact(artifact, aliases=["best"])
    assert client.log_artifact(artifact).id == handle.id
    handle.wait(SECONDS)
    assert len(list(client.versions(name))) == 1


def test_callbacks_are_called_with_the_handle_whether_it_ends_well_or_not(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    called: list[tuple[str, str]] = []
    both = threading.Barrier(3)

    def note(handle: LogHandle) -> None:
        called.append((handle.id, handle.state))
        both.wait(SECONDS)

    with held:
        good = client.log_artifact(made_of(name, {"a": b""}))
        bad = client.log_artifact(made_of(name, {"b": b""}, type="model"))
        good.add_done_callback(note)
        bad.add_done_callback(note)
        assert called == []
    both.wait(SECONDS)
    assert sorted(called) == sorted([(good.id, "committed"), (bad.id, "failed")])


def test_a_handle_is_awaited_under_asyncio(client: Client, name: str) -> None:
    async def log_all() -> tuple[list[str], object]:
        handles = [client.log_artifact(made_of(name, {"a": b"%d" % number})) for number in range(5)]
        artifacts: list[Artifact] = await asyncio.gather(*handles)
        other = client.log_artifact(made_of(name, {}, type="model"))
        (failure,) = await asyncio.gather(other, return_exceptions=True)
        return [artifact.version for artifact in artifacts], failure

    versions, failure = asyncio.run(log_all())
    assert versions == ["v0", "v1", "v2", "v3", "v4"]
    assert isinstance(failure, ArtifactFailed)


async def test_a_handle_is_awaited_under_trio(client: Client, hashing: Gate, name: str) -> None:
    with hashing.closed():
        handle = client.log_artifact(made_of(name, {"a": b""}))
        with trio.move_on_after(0.1) as waiting:
            await handle
        assert waiting.cancelled_caught
        until_state(handle, "hashing")
    assert (await handle).version == "v0"
    with pytest.raises(ArtifactFailed):
        await client.log_artifact(made_of(name, {}, type="model"))


def test_another_process_finds_the_handle_by_its_id(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    program = (
        "import json, sys; from artifactd.client import Client\n"
        "handle = Client(sys.argv[1]).handle(sys.argv[2])\n"
        "state = handle.state; print(state, flush=True)\n"
        "artifact = handle.wait(30)\n"
        "print(json.dumps([artifact.qualified_name, artifact.metadata, artifact.size]))\n"
    )
    with held:
        handle = client.log_artifact(made_of(name, {"a": b"12"}, metadata={"epoch": 1}))
        until_state(handle, "hashing")
        process = subprocess.Popen(
            [sys.executable, "-c", program, client.link.socket, handle.id], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "hashing\n"
    said, _ = process.communicate(timeout=SECONDS)
    assert json.loads(said) == [handle.wait(SECONDS).qualified_name, {"epoch": 1}, 2]


def test_what_is_assigned_to_a_handle_is_saved_and_anything_else_refused(client: Client, name: str) -> None:
    handle = client.log_artifact(made_of(name, {"a": b"12"}))
    handle.wait(SECONDS)
    handle.description, handle.aliases, handle.metadata = "two bytes", ["best"], {"epoch": 1}
    handle.save()
    seen = Api().artifact(f"{name}:best")
    assert (seen.description, seen.aliases, seen.metadata) == ("two bytes", ["best"], {"epoch": 1})
    for attribute in ("descripton", "state", "size", "download"):
        with pytest.raises(AttributeError):
            setattr(handle, attribute, "x")


@pytest.mark.usefixtures("restarted")
def test_ended_submissions_are_found_again_after_a_restart(
    daemon: DaemonProcess, client: Client, name: str
) -> None:
    good = client.log_artifact(made_of(name, {"a": b"12"}))
    bad = client.log_artifact(made_of(name, {}, type="model"))
    good.wait(SECONDS)
    with pytest.raises(ArtifactFailed) as before:
        bad.wait(SECONDS)
    daemon.restart()
    assert client.handle(good.id).wait(SECONDS).version == "v0"
    with pytest.raises(ArtifactFailed) as after:
        client.handle(bad.id).wait(SECONDS)
    assert str(after.value) == str(before.value)
    assert after.value.subject == before.value.subject != ""


def test_an_id_that_nobody_knows_is_not_found(client: Client) -> None:
    with pytest.raises(ArtifactNotFound, match="cd" * 16):
        _ = client.handle("cd" * 16).state
    with pytest.raises(InvalidRequest, match="32 hex digits"):
        client.handle("model:v0")
