"""`artifactd verify` on what a real daemon wrote: nothing is found in what is whole, and every damage is."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from artifactd.client import Artifact, Client
from artifactd.daemon.stores.keys import blob_key
from harness.clients import Workload, running_clients
from harness.contents import Shape
from harness.daemon import ENTITY, PROJECT, DaemonProcess
from harness.fixtures import MakeDaemon
from harness.places import Place
from harness.waiting import PATIENCE
from maintenance.command import run_verify
from maintenance.damage import flip, forget_blob, objects_of, truncate
from maintenance.support import digest

LARGE = (8 << 20) + 1000
"""Bytes of one file: more than a piece, and on S3 a multipart upload."""
SHARED = b"the same in all versions"
PAIR = b"in the last two versions"
VERSIONS = 10


@dataclass(frozen=True)
class Home:
    """A daemon at work, and its catalog."""

    daemon: DaemonProcess
    catalog: str

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {**self.daemon.place.settings, "ARTIFACTD_CATALOG": self.catalog}
        return run_verify(self.daemon.home, *arguments, **environ)

    def report(self, *arguments: str, code: int) -> dict[str, Any]:
        done = self.verify("--json", *arguments)
        assert (done.returncode, done.stderr) == (code, "")
        report: dict[str, Any] = json.loads(done.stdout)
        assert report["complete"]
        return report


@pytest.fixture
def make_home(make_daemon: MakeDaemon) -> Callable[[Place, str], Home]:
    def make(place: Place, catalog: str) -> Home:
        daemon = make_daemon(place)
        daemon.start(ARTIFACTD_CATALOG=catalog)
        return Home(daemon, catalog)

    return make


@pytest.fixture(params=["file-sqlite", "file-postgres", "s3-sqlite"])
def home(request: pytest.FixtureRequest, make_home: Callable[[Place, str], Home], tmp_path: Path) -> Home:
    store, _, catalog = request.param.partition("-")
    place = request.getfixturevalue("bucket_place" if store == "s3" else "directory_place")
    return make_home(place, request.getfixturevalue(f"{catalog}_url"))


def weights(number: int) -> bytes:
    return number.to_bytes(4, "big") * (LARGE // 4 if number == 2 else 50)


def log(client: Client) -> list[str]:
    """Log the versions; the digests of their manifests."""
    for number in range(VERSIONS):
        artifact = Artifact("model", "model")
        files = {"weights": weights(number), "shared": SHARED}
        for name, data in (files | {"pair": PAIR} if number >= VERSIONS - 2 else files).items():
            with artifact.new_file(name, "wb") as file:
                file.write(data)
        committed = client.log_artifact(artifact)
    assert committed.wait(PATIENCE).version == f"v{VERSIONS - 1}"
    assert client.log_artifact(Artifact("empty", "model")).wait(PATIENCE).version == "v0"
    return [version.digest for version in reversed(list(client.versions("model")))]


def address(number: int) -> str:
    return f"{ENTITY}/{PROJECT}/model:v{number}"


def findings(report: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Kind and versions of each finding, by digest."""
    assert sum(report["counts"].values()) == len(report["findings"])
    return {finding["digest"]: (finding["kind"], finding["versions"]) for finding in report["findings"]}


def test_nothing_is_wrong_at_first_and_every_damage_is_found(home: Home) -> None:
    with home.daemon.client() as client:
        manifests = log(client)
    whole = home.report("--read-data", code=0)
    assert whole["findings"] == []
    # The empty artifact's manifest is a blob as well.
    assert whole["checked"]["blobs"] == VERSIONS + 2 + VERSIONS + 1
    assert whole["checked"]["read"] == whole["checked"]["bytes"] > LARGE
    assert whole["checked"]["versions"] == VERSIONS + 1
    assert whole["checked"]["entries"] == 2 * VERSIONS + 2
    assert whole["checked"]["orphans"] == 0

    objects = objects_of(home.daemon.place)
    keys = {number: blob_key(ENTITY, digest(weights(number))) for number in range(VERSIONS)}
    manifest_keys = [blob_key(ENTITY, manifest) for manifest in manifests]
    objects.delete(keys[0])
    truncate(objects, keys[1])
    flip(objects, keys[2])
    objects.delete(manifest_keys[3])
    flip(objects, manifest_keys[4])
    forget_blob(home.catalog, digest(weights(5)))
    forget_blob(home.catalog, manifests[6])
    truncate(objects, manifest_keys[7])
    objects.delete(blob_key(ENTITY, digest(PAIR)))
    objects.write(blob_key(ENTITY, digest(b"orphan")), b"orphan")

    damaged = {
        digest(weights(0)): ("missing blob", [address(0)]),
        digest(weights(1)): ("wrong size", [address(1)]),
        manifests[3]: ("missing manifest", [address(3)]),
        manifests[4]: ("corrupt manifest", [address(4)]),
        digest(weights(5)): ("unregistered blob", [address(5)]),
        manifests[6]: ("unregistered blob", [address(6)]),
        manifests[7]: ("corrupt manifest", [address(7)]),
        digest(PAIR): ("missing blob", [address(8), address(9)]),
    }
    without_reading = home.report(code=1)
    found = findings(without_reading)
    found[digest(PAIR)][1].sort()
    assert found == damaged
    orphans = len(b"orphan") + len(weights(5)) + len(objects.read(manifest_keys[6]))
    assert (without_reading["checked"]["orphans"], without_reading["checked"]["orphan_bytes"]) == (3, orphans)
    assert without_reading["checked"]["read"] == 0

    found = findings(home.report("--read-data", code=1))
    found[digest(PAIR)][1].sort()
    assert found == damaged | {digest(weights(2)): ("corrupt blob", [address(2)])}


def test_verify_changes_nothing(
    make_home: Callable[[Place, str], Home], directory_place: Place, sqlite_url: str
) -> None:
    home = make_home(directory_place, sqlite_url)
    with home.daemon.client() as client:
        log(client)
    home.daemon.stop()
    root = Path(sqlite_url.removeprefix("sqlite:///")).parent.parent

    def contents() -> dict[Path, bytes]:
        files = [path for path in (*root.rglob("*"), *home.daemon.home.rglob("*")) if path.is_file()]
        # SQLite makes these two to read, and keeps nothing in them.
        beside = {path for path in files if path.name.endswith(("-wal", "-shm"))}
        return {path: path.read_bytes() for path in files if path not in beside}

    before = contents()
    assert home.report("--read-data", code=0)["checked"]["versions"] == VERSIONS + 1
    assert contents() == before


def test_in_a_pipe_each_finding_is_a_line(
    make_home: Callable[[Place, str], Home], directory_place: Place, sqlite_url: str
) -> None:
    home = make_home(directory_place, sqlite_url)
    with home.daemon.client() as client:
        log(client)
    whole = home.verify()
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "verdict\tall is well" in whole.stdout.splitlines()
    gone = digest(weights(0))
    objects_of(directory_place).delete(blob_key(ENTITY, gone))
    done = home.verify()
    assert (done.returncode, done.stderr) == (1, "")
    line = ("missing blob", ENTITY, gone, blob_key(ENTITY, gone), "there is no object", address(0))
    assert done.stdout.splitlines()[0].split("\t") == list(line)
    assert "findings\t1 missing blob" in done.stdout.splitlines()


@pytest.mark.parametrize("catalog", ["sqlite_url", "postgres_url"])
def test_what_is_logged_meanwhile_raises_no_alarm(
    make_home: Callable[[Place, str], Home],
    directory_place: Place,
    catalog: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    home = make_home(directory_place, request.getfixturevalue(catalog))
    workload = Workload(["a", "b", "c"], [Shape.TINY, Shape.PACKED, Shape.PLAIN], processes=2, pause=0.3)
    with running_clients(home.daemon, workload, tmp_path / "ledger") as clients:
        counts = [home.report("--read-data", code=0)["checked"]["versions"] for _ in range(4)]
        clients.stop()
    assert counts[0] < counts[-1]
