"""A daemon whose store is Google Cloud Storage: it commits, downloads, and goes on after a kill in mid-upload and
after its tokens, or its service account, have ended.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from artifactd.client import Artifact
from artifactd.daemon.crashpoints import Point
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.mischief import Mischief
from harness.places import Place
from harness.waiting import PATIENCE, status_text, wait_told
from servers.gcs import FakeGcs
from servers.gcs_faults import Fault, Operation

MIB = 1 << 20
CHUNK = 8 * MIB
SIZE = 24 * MIB + 5
WEIGHTS = blake3(b"weights").digest(SIZE)
SMALL = b"some"


def gcs_place(server: FakeGcs) -> Place:
    """A `gs://` store in a bucket that keeps every generation."""
    bucket = server.create_bucket("bucket", versioning=True)

    def left_behind() -> list[str]:
        return [f"upload of {session.name}" for session in bucket.sessions.values() if session.made is None]

    settings = {
        "STORAGE_EMULATOR_HOST": server.endpoint,
        "ARTIFACTD_STORE": "gs://bucket/artifacts",
        "ARTIFACTD_STORE__GCS__CHUNK_SIZE": str(CHUNK),
    }
    return Place(settings, left_behind)


def model(directory: Path) -> Artifact:
    (directory / "weights").write_bytes(WEIGHTS)
    (directory / "config").write_bytes(SMALL)
    artifact = Artifact("model", "model")
    artifact.add_file(directory / "weights")
    artifact.add_file(directory / "config")
    return artifact


def check(daemon: DaemonProcess, server: FakeGcs, target: Path) -> None:
    """The version can be downloaded, and each of its objects was made once."""
    with daemon.client() as client:
        found = Path(client.use_artifact("model:v0").download(target))
    assert (found / "weights").read_bytes() == WEIGHTS
    assert (found / "config").read_bytes() == SMALL
    assert server.buckets["bucket"].noncurrent == {}
    assert daemon.place.left_behind() == []


def test_what_is_logged_is_committed_and_downloaded(
    make_daemon: MakeDaemon, gcs_server: FakeGcs, tmp_path: Path
) -> None:
    daemon = make_daemon(gcs_place(gcs_server))
    daemon.start()
    gcs_server.faults.inflict(Operation.PUT, Fault.DROP, Fault.THROTTLED)
    gcs_server.faults.inflict(Operation.CHUNK, Fault.UNAVAILABLE)
    gcs_server.faults.inflict(Operation.GET, Fault.RESET, Fault.CORRUPT)
    with daemon.client() as client:
        assert client.log_artifact(model(tmp_path)).wait(60).version == "v0"
    check(daemon, gcs_server, tmp_path / "target")
    daemon.stop()


@pytest.mark.parametrize(
    ("point", "passings", "sent_again"),
    [(Point.MID_PART, 1, CHUNK), (Point.MID_PART, 3, CHUNK), (Point.MID_PART, 4, 0), (Point.PARTS_SENT, 1, 0)],
)
def test_a_killed_daemon_goes_on_where_the_server_got_to(
    make_daemon: MakeDaemon, gcs_server: FakeGcs, tmp_path: Path, point: Point, passings: int, sent_again: int
) -> None:
    daemon = make_daemon(gcs_place(gcs_server))
    daemon.start(Mischief(kill_at=point, kill_count=passings))
    with daemon.client() as client:
        handle = client.log_artifact(model(tmp_path))
        assert daemon.wait_killed(60)
        daemon.start()
        assert handle.wait(60).version == "v0"
    (name,) = {seen.name for seen in gcs_server.seen if seen.operation is Operation.CHUNK}
    assert gcs_server.received(name) - SIZE < sent_again + 1_000, "more than what was in flight was sent again"
    assert gcs_server.count(Operation.BEGIN) == 1
    check(daemon, gcs_server, tmp_path / "target")
    daemon.stop()


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


def write_account(file: Path, server: FakeGcs, account: str, private_key: str) -> None:
    written = file.with_name("new")
    text = {"type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": private_key}
    written.write_text(json.dumps({**text, "client_email": account, "token_uri": f"{server.endpoint}/token"}))
    written.rename(file)


@pytest.fixture
def account_file(gcs_server: FakeGcs, tmp_path: Path, private_key: str) -> Path:
    file = tmp_path / "account.json"
    write_account(file, gcs_server, "old@p.example", private_key)
    gcs_server.accounts = {"old@p.example"}
    gcs_server.require_tokens()
    return file


@pytest.fixture
def account_place(gcs_server: FakeGcs, account_file: Path) -> Place:
    place = gcs_place(gcs_server)
    settings = {name: value for name, value in place.settings.items() if name != "STORAGE_EMULATOR_HOST"}
    return replace(
        place,
        settings={
            **settings,
            "ARTIFACTD_STORE__GCS__ENDPOINT_URL": gcs_server.endpoint,
            "GOOGLE_APPLICATION_CREDENTIALS": str(account_file),
        },
    )


def test_tokens_that_end_and_chunks_that_are_refused_are_made_good_on_the_way(
    gcs_server: FakeGcs, account_place: Place, make_daemon: MakeDaemon, tmp_path: Path
) -> None:
    gcs_server.faults.inflict(Operation.CHUNK, None, Fault.EXPIRED)
    gcs_server.faults.inflict(Operation.PUT, Fault.EXPIRED)
    gcs_server.faults.inflict(Operation.BEGIN, Fault.EXPIRED)
    daemon = make_daemon(account_place)
    daemon.start()
    with daemon.client() as client:
        assert client.log_artifact(model(tmp_path)).wait(PATIENCE).version == "v0"
    # The session goes on: what had arrived is not sent again.
    (name,) = {seen.name for seen in gcs_server.seen if seen.operation is Operation.CHUNK}
    assert gcs_server.received(name) <= SIZE + CHUNK
    assert gcs_server.buckets["bucket"].noncurrent == {}
    assert daemon.place.left_behind() == []
    gcs_server.tokens = None
    check(daemon, gcs_server, tmp_path / "target")
    daemon.stop()


def test_a_service_account_that_is_replaced_is_all_that_a_waiting_daemon_needs(
    gcs_server: FakeGcs,
    account_place: Place,
    account_file: Path,
    make_daemon: MakeDaemon,
    tmp_path: Path,
    private_key: str,
) -> None:
    daemon = make_daemon(account_place)
    daemon.start()
    with daemon.client() as client:
        first = Artifact("other", "model")
        with first.new_file("small") as file:
            file.write("small")
        client.log_artifact(first).wait(PATIENCE)
        gcs_server.accounts = {"new@p.example"}
        gcs_server.require_tokens()
        handle = client.log_artifact(model(tmp_path))
        wait_told(client, "no credentials: the token server answered 400")
        assert "no credentials" in " ".join(status_text(daemon).split())
        write_account(account_file, gcs_server, "new@p.example", private_key)
        assert handle.wait(20).version == "v0"
    check(daemon, gcs_server, tmp_path / "target")
    daemon.stop()
