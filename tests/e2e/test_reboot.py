"""After a power cut only what was durable, or committed, is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifactd.client import ArtifactFailed, Client
from artifactd.daemon.crashpoints import Point
from harness.clients import build
from harness.contents import Shape
from harness.daemon import DaemonProcess
from harness.mischief import Gate, Hold, Mischief

OTHER_BOOT = Mischief(boot="00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize("shape", [Shape.TINY, Shape.MULTIPART])
def test_after_a_reboot_durable_submissions_commit_and_others_fail_with_the_reason(
    shape: Shape, daemon: DaemonProcess, client: Client, gate: Gate, tmp_path: Path
) -> None:
    hashing = Gate(tmp_path / "hashing")
    daemon.start(Mischief(holds={Hold.HASHING: hashing.path, Hold.SYNC: gate.path}))
    with hashing.closed():
        durable = client.log_artifact(build(tmp_path, "model", "durable", shape))
        durable.wait(30, until="durable")
        with gate.closed():
            lost = client.log_artifact(build(tmp_path, "model", "lost", shape))
            daemon.kill()
    daemon.start(OTHER_BOOT)
    assert durable.wait(30).version == "v0"
    with pytest.raises(ArtifactFailed, match="the machine went down"):
        lost.wait(30)
    again = client.log_artifact(build(tmp_path, "model", "again", shape))
    assert again.wait(30).version == "v1"


def test_after_a_reboot_what_the_catalog_has_is_committed(
    daemon: DaemonProcess, client: Client, gate: Gate, tmp_path: Path
) -> None:
    daemon.start(Mischief(kill_at=Point.AFTER_COMMIT, holds={Hold.SYNC: gate.path}))
    with gate.closed():
        handle = client.log_artifact(build(tmp_path, "model", "committed", Shape.TINY))
        assert daemon.wait_killed(30)
    daemon.start(OTHER_BOOT)
    assert handle.wait(30).version == "v0"


def test_without_a_reboot_nothing_needs_to_be_durable(
    daemon: DaemonProcess, client: Client, gate: Gate, tmp_path: Path
) -> None:
    daemon.start(Mischief(holds={Hold.HASHING: gate.path, Hold.SYNC: gate.path}))
    with gate.closed():
        handle = client.log_artifact(build(tmp_path, "model", "accepted", Shape.TINY))
        daemon.kill()
    daemon.start()
    assert handle.wait(30).version == "v0"
