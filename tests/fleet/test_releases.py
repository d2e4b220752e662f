"""Two releases on one catalog: side by side while they have one schema; a migration ends the older one."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from artifactd.client import Artifact, Client
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.mischief import Mischief
from harness.places import Place, with_catalog

_REFUSED = 78
_HEARTBEAT_SECONDS = 10.0
NEXT = "99.0.0"


@pytest.fixture
def pair(
    make_daemon: MakeDaemon, directory_place: Place, postgres_url: str
) -> tuple[DaemonProcess, DaemonProcess]:
    """Two daemons on one catalog and one store; only the first, of this release, is up."""
    place = with_catalog(directory_place, postgres_url)
    old, new = make_daemon(place), make_daemon(place)
    old.start()
    return old, new


def log(client: Client, directory: Path, number: int) -> Artifact:
    (directory / "weights").write_bytes(b"%d" % number)
    artifact = Artifact("model", "model")
    artifact.add_file(directory / "weights")
    return client.log_artifact(artifact).wait(60)


def test_releases_with_one_schema_work_side_by_side(
    pair: tuple[DaemonProcess, DaemonProcess], tmp_path: Path
) -> None:
    old, new = pair
    new.start(Mischief(release=NEXT))
    with old.client() as one, new.client() as other:
        versions = [log((one, other)[n % 2], tmp_path, n).version for n in range(6)]
        assert versions == [f"v{n}" for n in range(6)]
        read = Path(one.use_artifact("model:v5").download(tmp_path / "copy")) / "weights"
        assert read.read_bytes() == b"5"
    old.stop()
    new.stop()


def test_a_migration_ends_the_older_release_naming_both_and_what_it_had_accepted_waits_for_the_newer(
    pair: tuple[DaemonProcess, DaemonProcess], tmp_path: Path
) -> None:
    old, new = pair
    with old.client() as client:
        assert log(client, tmp_path, 0).version == "v0"
        new.start(Mischief(release=NEXT, migrates=True))
        (tmp_path / "weights").write_bytes(b"1")
        artifact = Artifact("model", "model")
        artifact.add_file(tmp_path / "weights")
        accepted = client.log_artifact(artifact).id
    assert old.wait_ended(3 * _HEARTBEAT_SECONDS) == _REFUSED
    assert NEXT in old.tail()
    assert version("artifactd") in old.tail()
    with new.client() as client:
        assert log(client, tmp_path, 2).version == "v1"
    old.start(Mischief(release=NEXT, migrates=True))
    with old.client() as client:
        assert client.handle(accepted).wait(60).version == "v2"
    old.stop()
    new.stop()


def test_an_older_release_does_not_start_on_a_migrated_catalog_and_names_both(
    pair: tuple[DaemonProcess, DaemonProcess],
) -> None:
    old, new = pair
    old.stop()
    new.start(Mischief(release=NEXT, migrates=True))
    old.start(wait=False)
    assert old.wait_ended(30) == _REFUSED
    assert NEXT in old.tail()
    assert version("artifactd") in old.tail()
    new.stop()
