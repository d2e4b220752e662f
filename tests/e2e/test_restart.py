"""What clients see of a daemon that restarts, is absent, or does not answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from artifactd.client import Artifact, Client, DaemonUnavailable
from harness.clients import Workload, build, running_clients
from harness.contents import Shape
from harness.daemon import DaemonProcess
from harness.mischief import Gate, Hold, Mischief
from harness.verify import verify


def small_artifact(directory: Path) -> Artifact:
    (directory / "weights").write_bytes(b"some")
    artifact = Artifact("model", "model")
    artifact.add_file(directory / "weights")
    return artifact


def test_restarts_are_invisible_to_clients_but_for_the_delay(daemon: DaemonProcess, tmp_path: Path) -> None:
    daemon.start()
    workload = Workload(collections=("model", "data"), shapes=(Shape.TINY, Shape.PACKED, Shape.PLAIN), pause=0.1)
    with running_clients(daemon, workload, tmp_path / "ledger") as clients:
        for _ in range(3):
            before = len(clients.calls())
            while len(clients.calls()) < before + 30:
                time.sleep(0.02)
            daemon.restart()
        calls = clients.stop()
    assert all(call.id for call in calls)
    assert verify(daemon, calls) == []


def test_clients_that_are_killed_lose_nothing_that_was_accepted(daemon: DaemonProcess, tmp_path: Path) -> None:
    daemon.start()
    workload = Workload(collections=("model", "data"), shapes=(Shape.TINY, Shape.PACKED, Shape.PLAIN))
    with running_clients(daemon, workload, tmp_path / "ledger") as clients:
        while len(clients.calls()) < 100:
            time.sleep(0.02)
        calls = clients.kill()
    assert verify(daemon, calls) == []


def test_a_handle_outlives_the_daemon_that_gave_it(
    daemon: DaemonProcess, client: Client, gate: Gate, tmp_path: Path
) -> None:
    daemon.start(Mischief(holds={Hold.HASHING: gate.path}))
    with gate.closed():
        handle = client.log_artifact(small_artifact(tmp_path))
        daemon.kill()
    daemon.start()
    with daemon.client() as other:
        assert other.handle(handle.id).wait(30).version == "v0"
    assert handle.wait(30).version == "v0"


def test_an_absent_daemon_is_reported_within_a_second_with_socket_and_command(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    began = time.monotonic()
    with pytest.raises(DaemonUnavailable) as failure:
        client.log_artifact(small_artifact(tmp_path))
    assert time.monotonic() - began < 1.0
    assert str(daemon.socket) in str(failure.value)
    assert "artifactd serve" in str(failure.value)


def test_a_dead_daemons_socket_is_reported_within_a_second(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    daemon.start()
    daemon.kill()
    began = time.monotonic()
    with pytest.raises(DaemonUnavailable):
        client.log_artifact(small_artifact(tmp_path))
    assert time.monotonic() - began < 1.0


def test_a_wedged_daemon_is_reported_within_a_second_to_who_never_reached_it(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    daemon.start()
    daemon.freeze()
    began = time.monotonic()
    with pytest.raises(DaemonUnavailable):
        client.log_artifact(small_artifact(tmp_path))
    assert time.monotonic() - began < 1.0


def test_a_call_to_a_wedged_daemon_returns_at_its_deadline(daemon: DaemonProcess, tmp_path: Path) -> None:
    daemon.start()
    with daemon.client(timeout=2.0) as client:
        artifact = build(tmp_path, "model", "client0-0", Shape.TINY)
        daemon.freeze()
        began = time.monotonic()
        with pytest.raises(DaemonUnavailable):
            client.log_artifact(artifact)
        assert 1.9 < time.monotonic() - began < 2.5


def test_a_daemon_that_returns_within_the_timeout_takes_the_waiting_call(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    daemon.start()
    client.status()
    artifact = small_artifact(tmp_path)
    daemon.kill()
    daemon.start(wait=False)
    assert client.log_artifact(artifact).wait(30).version == "v0"
