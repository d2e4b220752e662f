"""Waiting for what the daemon does, and runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import trio
from fake_daemon import FakeDaemon, always_done

import artifactd.client as api
from artifactd.client import (
    Artifact,
    ArtifactFailed,
    ArtifactNotLoggedError,
    Client,
    FileChanged,
    LogHandle,
    ProtocolMismatch,
    WaitTimeout,
)
from artifactd.protocol.messages import (
    Failure,
    FinishRun,
    GetVersion,
    Message,
    StartRun,
    Submission,
    Submit,
    Version,
    Wait,
)

VERSION = Version(
    entity="me",
    project="bikes",
    name="model",
    type="model",
    version=3,
    digest="blake3:" + "0" * 64,
    files=2,
    size=20,
    aliases=("latest",),
    tags=(),
    description="d",
    metadata='{"epoch": 3}',
    run=None,
    created_at=1.0,
)
ACCEPTED = Submission(
    id=b"",
    state="accepted",
    entity="me",
    project="bikes",
    name="model",
    type="model",
    durable=False,
    files=2,
    files_done=1,
    size=20,
    bytes_done=10,
)
COMMITTED = replace(ACCEPTED, state="committed", durable=True, files_done=2, bytes_done=20, version=3, digest="d")


def moves(*states: Submission) -> Callable[[Message], Message | None]:
    """Each `Wait` sees the next state, the last one for ever."""
    rest: Iterator[Submission] = iter(states)
    now = states[0]

    def handler(message: Message) -> Message | None:
        nonlocal now
        if isinstance(message, Wait):
            now = next(rest, now)
            return replace(now, id=message.id)
        if isinstance(message, GetVersion):
            return replace(VERSION, name=message.name)
        return always_done(message)

    return handler


@pytest.fixture
def handle(client: Client) -> LogHandle:
    return client.log_artifact(Artifact("model", "model"))


def test_wait_asks_until_it_is_committed_and_completes_the_artifact(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = moves(ACCEPTED, replace(ACCEPTED, state="hashing"), COMMITTED)
    artifact = Artifact("model", "model")
    handle = client.log_artifact(artifact)
    assert handle.wait() is artifact
    assert (artifact.name, artifact.version, artifact.qualified_name) == ("model:v3", "v3", "me/bikes/model:v3")
    assert (artifact.metadata, artifact.aliases, artifact.size) == ({"epoch": 3}, ["latest"], 20)
    assert handle.version == "v3"
    assert handle.done()
    assert artifact.wait() is artifact


def test_progress_and_state_are_what_the_daemon_says(daemon: FakeDaemon, handle: LogHandle) -> None:
    daemon.handler = moves(ACCEPTED)
    assert handle.progress == (1, 2, 10, 20)
    assert handle.state == "accepted"
    assert not handle.done()
    with pytest.raises(ArtifactNotLoggedError):
        _ = handle.version
    with pytest.raises(AttributeError, match="nonsense"):
        _ = handle.nonsense


def test_a_wait_that_runs_out_of_time_says_where_it_stands(daemon: FakeDaemon, handle: LogHandle) -> None:
    reason = "https://host/a: connection refused"
    daemon.handler = moves(replace(ACCEPTED, state="uploading", waiting_for=reason))
    with pytest.raises(WaitTimeout, match="it is uploading, waiting for https://host/a: connection refused"):
        handle.wait(timeout=0.05)
    with pytest.raises(TimeoutError):
        handle.wait(timeout=0)


def test_durable_is_reached_before_committed(daemon: FakeDaemon, handle: LogHandle) -> None:
    daemon.handler = moves(ACCEPTED, replace(ACCEPTED, durable=True))
    assert handle.wait(until="durable").state == "accepted"


@pytest.mark.parametrize(
    ("code", "error"), [("failed", ArtifactFailed), ("file_changed", FileChanged), ("denied", ArtifactFailed)]
)
def test_a_failure_is_raised_with_the_file_and_the_reason(
    daemon: FakeDaemon, handle: LogHandle, code: str, error: type[Exception]
) -> None:
    daemon.handler = moves(
        replace(ACCEPTED, state="failed", error=Failure(code=code, message="why", subject="a/file"))
    )
    with pytest.raises(error, match=r"a/file.*why"):
        handle.wait()
    assert handle.done()


def test_a_cancelled_submission_is_raised_as_such(daemon: FakeDaemon, handle: LogHandle) -> None:
    daemon.handler = moves(replace(ACCEPTED, state="cancelled"))
    with pytest.raises(ArtifactFailed, match="cancelled"):
        handle.wait()


def test_what_the_daemon_warns_of_is_warned_of_once(daemon: FakeDaemon, handle: LogHandle) -> None:
    daemon.handler = moves(replace(COMMITTED, warning="metadata ignored"))
    with pytest.warns(UserWarning, match=r"^model: .*metadata ignored") as caught:
        handle.wait()
    handle.wait()
    assert caught[0].filename == __file__


def test_another_process_finds_the_handle_by_its_id(daemon: FakeDaemon, client: Client, handle: LogHandle) -> None:
    daemon.handler = moves(COMMITTED)
    again = client.handle(handle.id)
    assert again.wait().qualified_name == "me/bikes/model:v3"
    with pytest.raises(ValueError, match="not the id"):
        client.handle("abc")


def test_a_wait_survives_a_restart_of_the_daemon(daemon: FakeDaemon, handle: LogHandle) -> None:
    asked = threading.Event()

    def swallow(message: Message) -> None:
        asked.set()

    daemon.handler = swallow
    versions: list[str] = []
    waiter = threading.Thread(target=lambda: versions.append(handle.wait().version))
    waiter.start()
    asked.wait()
    daemon.stop()
    daemon.handler = moves(COMMITTED)
    daemon.start()
    waiter.join(5)
    assert versions == ["v3"]


def test_callbacks_are_called_once_it_is_done(daemon: FakeDaemon, handle: LogHandle) -> None:
    daemon.handler = moves(ACCEPTED, COMMITTED)
    called = threading.Event()
    handle.add_done_callback(lambda done: called.set() if done is handle else None)
    assert called.wait(5)
    called.clear()
    handle.add_done_callback(lambda _: called.set())
    assert called.wait(5)


def test_a_handle_is_awaited_under_asyncio(daemon: FakeDaemon, handle: LogHandle) -> None:
    daemon.handler = moves(ACCEPTED, COMMITTED)

    async def main() -> Artifact:
        return await handle

    assert asyncio.run(main()).version == "v3"


def test_cancelling_one_await_leaves_the_others(daemon: FakeDaemon, handle: LogHandle) -> None:
    release = threading.Event()
    done = moves(COMMITTED)
    daemon.handler = lambda message: done(message) if release.is_set() else replace(ACCEPTED, id=message.id)  # type: ignore[union-attr]

    async def main() -> str:
        async def wait() -> Artifact:
            return await handle

        first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
        first.cancel()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        return (await second).version

    assert asyncio.run(main()) == "v3"


async def test_a_handle_is_awaited_under_trio(daemon: FakeDaemon, handle: LogHandle) -> None:
    daemon.handler = moves(ACCEPTED, COMMITTED)
    with trio.fail_after(5):
        assert (await handle).version == "v3"


def of_type(daemon: FakeDaemon, kind: type[Message]) -> list[Any]:
    return [message for _, message in daemon.received if isinstance(message, kind)]


def test_a_run_records_what_it_logs_and_uses_and_waits_for_it(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = moves(ACCEPTED, COMMITTED)
    with api.init(project="other", job_type="train", config={"lr": 0.1}) as run:
        assert api.run is run
        handle = api.log_artifact(Artifact("model", "model"))
        assert api.use_artifact("model:v3").version == "v3"
    assert api.run is None
    assert handle.done()
    (start,) = of_type(daemon, StartRun)
    assert (start.id, start.entity, start.project, start.job_type) == (run.id, "me", "other", "train")
    assert start.config == '{"lr":0.1}'
    (submit,) = of_type(daemon, Submit)
    assert (submit.project, submit.run) == ("other", run.id)
    assert of_type(daemon, GetVersion)[0].run == ("me", "other", run.id)
    assert of_type(daemon, FinishRun)[0].state == "finished"


def test_a_run_whose_block_raises_is_failed_and_does_not_wait(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = moves(ACCEPTED)

    def work() -> None:
        with api.init() as run:
            run.log_artifact(Artifact("model", "model"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert of_type(daemon, FinishRun)[0].state == "failed"
    assert [wait.timeout for wait in of_type(daemon, Wait)] == [0.0]


def test_a_failed_artifact_is_raised_after_the_run_is_closed(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = moves(replace(ACCEPTED, state="failed", error=Failure(code="failed", message="gone")))
    run = api.init()
    api.log_artifact(Artifact("model", "model"))
    with pytest.raises(ArtifactFailed, match="gone"):
        api.finish()
    assert run.state == "finished"
    assert api.run is None


def test_init_finishes_the_run_before(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = moves(COMMITTED)
    first = api.init()
    second = api.init()
    assert (first.state, second.state) == ("finished", "running")
    assert first.id != second.id
    second.finish(exit_code=1)
    assert second.state == "failed"


def test_using_an_artifact_that_was_not_logged_logs_it(daemon: FakeDaemon, client: Client) -> None:
    daemon.features = ("reuse",)
    daemon.handler = moves(COMMITTED)
    assert client.use_artifact(Artifact("model", "model")).version == "v3"
    (submit,) = daemon.submits()
    assert submit.reuse


def test_a_daemon_that_would_always_log_is_not_asked_to_use_what_is_there(
    daemon: FakeDaemon, client: Client
) -> None:
    with pytest.raises(ProtocolMismatch, match="'reuse'"):
        client.use_artifact(Artifact("model", "model"))
    assert daemon.submits() == []
