"""Drafts when a daemon dies, is slow, loses power, or nobody comes back; here each test has its own daemon."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from api.support import SECONDS, made_of, query, until_state
from artifactd.client import Artifact, ArtifactFailed, Client, LogHandle
from artifactd.client._logging import log
from artifactd.daemon.crashpoints import Point
from artifactd.protocol.messages import DraftPart
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.mischief import Gate, Hold, Mischief
from harness.places import Place
from harness.processes import environment

Result = TypeVar("Result")

LARGE = b"x" * (64 << 10)
"""Too large to travel inside the submission: it lies in the spool."""
OTHER_BOOT = Mischief(boot="00000000-0000-4000-8000-000000000000")


@pytest.fixture
def daemon(make_daemon: MakeDaemon, directory_place: Place) -> DaemonProcess:
    return make_daemon(directory_place)


def killed_at(daemon: DaemonProcess, point: Point, call: Callable[[], Result]) -> Result:
    """Make the call to a daemon that kills itself at `point`, and is started again."""
    daemon.start(Mischief(kill_at=point))
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(call)
        assert daemon.wait_killed(SECONDS)
        daemon.start()
        return result.result(SECONDS)


def upsert_without_waiting(client: Client) -> Callable[..., LogHandle]:
    """What `upsert_artifact` does before it waits."""
    return lambda artifact, draft: log(client.link, client.scope, artifact, part=DraftPart(distributed_id=draft))


def finished(client: Client, name: str = "model") -> Artifact:
    return client.finish_artifact(made_of(name, {"last": LARGE}), "d").wait(SECONDS)


def command(daemon: DaemonProcess, *arguments: str) -> str:
    """What the `artifactd` command prints."""
    return subprocess.run(
        [sys.executable, "-m", "artifactd.client.cli", *arguments],
        env=environment({"ARTIFACTD_HOME": str(daemon.home)}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    ).stdout


@pytest.mark.parametrize("point", [Point.JOURNAL_WRITTEN, Point.MID_HASH, Point.PART_REGISTERED])
def test_a_kill_during_an_upsert_costs_time_and_nothing_else(
    point: Point, daemon: DaemonProcess, client: Client
) -> None:
    part = killed_at(daemon, point, lambda: client.upsert_artifact(made_of("model", {"a": LARGE}), "d"))
    client.upsert_artifact(part, "d")
    version = finished(client)
    assert (version.version, set(version.entries)) == ("v0", {"a", "last"})
    assert query(daemon, "SELECT count(*) FROM draft_parts") == [(2,)]


@pytest.mark.parametrize(
    "point",
    [
        Point.JOURNAL_WRITTEN,
        Point.MID_HASH,
        Point.PART_REGISTERED,
        Point.BEFORE_COMMIT,
        Point.AFTER_COMMIT,
        Point.BEFORE_CLEANUP,
    ],
)
def test_a_kill_during_a_finish_makes_one_version_of_all_parts(
    point: Point, daemon: DaemonProcess, client: Client
) -> None:
    daemon.start()
    client.upsert_artifact(made_of("model", {"a/1": LARGE}, metadata={"a": 1}), "d")
    daemon.stop()
    version = killed_at(daemon, point, lambda: finished(client))
    assert (version.version, set(version.entries)) == ("v0", {"a/1", "last"})
    assert (version.file_count, version.size, version.metadata) == (2, 2 * len(LARGE), {"a": 1})
    assert len(list(client.versions("model"))) == 1
    assert query(daemon, "SELECT count(*) FROM draft_entries") == [(0,)]
    daemon.stop()


@pytest.mark.parametrize("finish", [False, True])
def test_after_a_reboot_a_registered_part_is_believed_without_its_files(
    finish: bool, daemon: DaemonProcess, client: Client, gate: Gate
) -> None:
    daemon.start(Mischief(kill_at=Point.PART_REGISTERED, holds={Hold.SYNC: gate.path}))
    artifact = made_of("model", {"last": LARGE})
    with gate.closed():
        handle = (client.finish_artifact if finish else upsert_without_waiting(client))(artifact, "d")
        assert daemon.wait_killed(SECONDS)
    shutil.rmtree(daemon.spool / handle.id)
    daemon.start(OTHER_BOOT)
    handle.wait(SECONDS)
    told = json.loads(command(daemon, "wait", handle.id, "--json"))
    assert ("part_of" in told, "address" in told) == (not finish, finish)
    version = artifact if finish else client.finish_artifact(Artifact("model", "dataset"), "d").wait(SECONDS)
    assert (version.version, set(version.entries)) == ("v0", {"last"})


@pytest.mark.parametrize("finish", [False, True])
def test_after_a_reboot_a_part_that_was_not_registered_fails_and_the_draft_stays_open(
    finish: bool, daemon: DaemonProcess, client: Client, gate: Gate
) -> None:
    daemon.start(Mischief(kill_at=Point.MID_HASH, holds={Hold.SYNC: gate.path}))
    with gate.closed():
        call = client.finish_artifact if finish else upsert_without_waiting(client)
        lost = call(made_of("model", {"lost": LARGE}), "d")
        assert daemon.wait_killed(SECONDS)
    daemon.start(OTHER_BOOT)
    with pytest.raises(ArtifactFailed, match="the machine went down"):
        lost.wait(SECONDS)
    assert set(finished(client).entries) == {"last"}


def test_an_upsert_neither_waits_for_logs_of_its_collection_nor_holds_them_back(
    daemon: DaemonProcess, client: Client, gate: Gate
) -> None:
    daemon.start(Mischief(holds={Hold.HASHING: gate.path}))
    with gate.closed():
        first = client.log_artifact(made_of("model", {"held": b"1"}))
        client.upsert_artifact(made_of("model", {}, metadata={"a": 1}), "d")
        assert first.state != "committed"
    first.wait(SECONDS)
    with ThreadPoolExecutor(1) as pool, gate.closed():
        upsert = pool.submit(client.upsert_artifact, made_of("model", {"also held": b"1"}), "d")
        while not client.status()["items"]:
            first.look(0.01)
        (item,) = client.status()["items"]
        assert (item["address"], item["part_of"]) == ("team/e2e/model", "d")
        assert "team/e2e/model (part of d)" in command(daemon, "status")
        assert client.log_artifact(made_of("model", {})).wait(SECONDS).version == "v1"
        assert not upsert.done()
    assert finished(client).version == "v2"


def test_a_finish_takes_its_place_among_the_logs_of_its_collection(
    daemon: DaemonProcess, client: Client, gate: Gate
) -> None:
    daemon.start(Mischief(holds={Hold.HASHING: gate.path}))
    with gate.closed():
        first = client.log_artifact(made_of("model", {"held": b"1"}))
        finish = client.finish_artifact(made_of("model", {}), "d")
        last = client.log_artifact(made_of("model", {"held": b"2"}))
    assert [handle.wait(SECONDS).version for handle in (first, finish, last)] == ["v0", "v1", "v2"]


def test_a_finish_that_the_commit_refuses_leaves_the_draft_open(
    daemon: DaemonProcess, client: Client, gate: Gate
) -> None:
    daemon.start(Mischief(holds={Hold.HASHING: gate.path}))
    client.upsert_artifact(made_of("model", {}), "d")
    with gate.closed():
        first = client.log_artifact(made_of("model", {"held": b"1"}, type="other"))
        finish = client.finish_artifact(made_of("model", {}), "d")
        until_state(finish, "ready")
        assert query(daemon, "SELECT state FROM drafts") == [("closed",)]
    first.wait(SECONDS)
    with pytest.raises(ArtifactFailed, match="'other', not 'dataset'"):
        finish.wait(SECONDS)
    assert query(daemon, "SELECT state FROM drafts") == [("open",)]


def test_an_abandoned_draft_expires_and_late_parts_are_told(daemon: DaemonProcess, client: Client) -> None:
    daemon.start()
    client.upsert_artifact(made_of("model", {"a": b"1"}), "d")
    daemon.stop()
    daemon.start(ARTIFACTD_DRAFTS__EXPIRE="0.001")
    while query(daemon, "SELECT state FROM drafts") == [("open",)]:
        client.status()
    with pytest.raises(ArtifactFailed, match=r"'d'.*has expired.*another distributed_id"):
        client.upsert_artifact(made_of("model", {"b": b"1"}), "d")
    with pytest.raises(ArtifactFailed, match="has expired"):
        finished(client)
    assert query(daemon, "SELECT count(*) FROM draft_entries") == [(0,)]
    assert [event["draft"] for event in daemon.events("draft expired")] == ["the draft 'd' of team/e2e/model"]
