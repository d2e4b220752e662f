"""Credentials that end under a daemon at work: it waits, says what for, and goes on by itself with new ones."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from artifactd.client import LogHandle
from harness.clients import build
from harness.contents import Shape
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.places import Place, new_bucket
from harness.waiting import PATIENCE, status_text, wait_told, wait_until
from servers.fault_proxy import FaultProxy, fault_proxy
from servers.faults import Fault, Rule
from servers.key_server import KeyServer, key_server
from servers.process import S3Server
from servers.s3_requests import Operation

ALL = frozenset(Operation)
PART = 5 << 20
PARTS = 5
"""Of a `Shape.MULTIPART`."""
SECONDS = 20.0
"""Within which a daemon goes on with new credentials."""


@pytest.fixture
def proxy(ministack_server: S3Server) -> Iterator[FaultProxy]:
    """Before a server that takes any credentials: the proxy judges them."""
    with fault_proxy(ministack_server.endpoint) as running:
        yield running


def place_without_keys(server: S3Server, endpoint: str, **more: str) -> Place:
    """A bucket, and what leads the SDK to credentials: none in the environment."""
    place = new_bucket(server, endpoint)
    kept = {name: value for name, value in place.settings.items() if not name.startswith("AWS_ACCESS_KEY")}
    parts = {"ARTIFACTD_STORE__S3__PART_SIZE": str(PART), "ARTIFACTD_STORE__S3__CONCURRENCY": "2"}
    return replace(place, settings={**kept, "AWS_SECRET_ACCESS_KEY": "", **parts, **more})


def write_keys(path: Path, access_key: str, secret_key: str = "any") -> None:
    written = path.with_name("new")
    written.write_text(f"[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n")
    written.rename(path)


def check_committed(handles: list[LogHandle], daemon: DaemonProcess) -> None:
    assert [handle.wait(SECONDS).version for handle in handles] == [f"v{number}" for number in range(len(handles))]
    assert daemon.place.left_behind() == []
    daemon.stop()


EXPIRED = (Fault.EXPIRED, "the credentials were refused (ExpiredToken")
UNKNOWN = (Fault.TELLTALE, "the credentials were refused (InvalidAccessKeyId)")
SKEWED = (Fault.SKEWED, "the clocks here and there differ too much (RequestTimeTooSkewed")
REFUSALS = [
    pytest.param(Shape.MULTIPART, *EXPIRED, id="multipart-expired"),
    pytest.param(Shape.MULTIPART, *UNKNOWN, id="multipart-unknown", marks=pytest.mark.long),
    pytest.param(Shape.MULTIPART, *SKEWED, id="multipart-skewed", marks=pytest.mark.long),
    pytest.param(Shape.TINY, *EXPIRED, id="tiny-expired", marks=pytest.mark.long),
    pytest.param(Shape.TINY, *UNKNOWN, id="tiny-unknown"),
    pytest.param(Shape.TINY, *SKEWED, id="tiny-skewed"),
]


@pytest.mark.parametrize(("shape", "fault", "words"), REFUSALS)
def test_a_credentials_file_that_is_renewed_is_all_that_a_waiting_daemon_needs(
    ministack_server: S3Server,
    proxy: FaultProxy,
    make_daemon: MakeDaemon,
    tmp_path: Path,
    shape: Shape,
    fault: Fault,
    words: str,
) -> None:
    file = tmp_path / "credentials"
    write_keys(file, "OLD")
    place = place_without_keys(ministack_server, proxy.endpoint, AWS_SHARED_CREDENTIALS_FILE=str(file))
    # In the middle of the upload, if it has one.
    after = 2 if shape is Shape.MULTIPART else 0
    of_bytes = Rule(fault, {Operation.PART, Operation.PUT}, after=after, times=None, access_key="OLD")
    proxy.faults.replace([of_bytes])
    daemon = make_daemon(place)
    daemon.start()
    with daemon.client() as client:
        handles = [client.log_artifact(build(tmp_path, "model", str(number), shape)) for number in range(2)]
        # Five times: what retries bound would have failed by then.
        wait_until(lambda: len(proxy.faults.struck()) > 5, "it does not try")
        proxy.faults.replace([Rule(fault, ALL, times=None, access_key="OLD")])
        wait_told(client, words)
        assert words in " ".join(status_text(daemon).split())
        write_keys(file, "NEW")
        check_committed(handles, daemon)
    passed = Counter(met.asked for met in proxy.faults.met if not met.fault and met.asked.part)
    assert set(Counter((asked.key, asked.part) for asked in passed.elements()).values()) <= {1}
    assert all(met.asked.access_key == "OLD" for met in proxy.faults.struck())


def test_a_server_that_verifies_signatures_takes_the_right_secret_as_soon_as_it_is_there(
    swift_server: S3Server, make_daemon: MakeDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    write_keys(file, swift_server.access_key, "wrong")
    place = place_without_keys(swift_server, swift_server.endpoint, AWS_SHARED_CREDENTIALS_FILE=str(file))
    daemon = make_daemon(place)
    daemon.start()
    with daemon.client() as client:
        shapes = (Shape.MULTIPART, Shape.TINY)
        handles = [client.log_artifact(build(tmp_path, "model", shape, shape)) for shape in shapes]
        wait_told(client, "the credentials were refused (SignatureDoesNotMatch)")
        write_keys(file, swift_server.access_key, swift_server.secret_key)
        check_committed(handles, daemon)


PROGRAM = """\
import json, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
count = Path(sys.argv[1])
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
ends = datetime.now(UTC) + timedelta(minutes=15, seconds=3)
print(json.dumps({"Version": 1, "AccessKeyId": f"KEY{number}", "SecretAccessKey": "s", "SessionToken": "t",
                  "Expiration": ends.isoformat()}))
"""


def of_a_program(directory: Path, keys: KeyServer) -> dict[str, str]:
    (directory / "program.py").write_text(PROGRAM)
    command = f"{sys.executable} {directory}/program.py {directory}/count"
    return profile(directory, f"credential_process = {command}\n")


def of_a_role(directory: Path, keys: KeyServer) -> dict[str, str]:
    source = "[profile user]\naws_access_key_id = USER\naws_secret_access_key = any\n"
    role = "role_arn = arn:aws:iam::123456789012:role/uploader\nsource_profile = user\n"
    return profile(directory, role, source) | {"AWS_ENDPOINT_URL_STS": keys.address}


def of_a_web_identity(directory: Path, keys: KeyServer) -> dict[str, str]:
    (directory / "token").write_text("a web identity")
    return {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(directory / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/uploader",
        "AWS_ENDPOINT_URL_STS": keys.address,
    }


def of_a_container(directory: Path, keys: KeyServer) -> dict[str, str]:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{keys.address}/keys"}


def profile(directory: Path, text: str, more: str = "") -> dict[str, str]:
    (directory / "config").write_text(f"[default]\n{text}{more}")
    return {"AWS_CONFIG_FILE": str(directory / "config")}


SOURCES = [
    of_a_program,
    pytest.param(of_a_web_identity, marks=pytest.mark.long),
    pytest.param(of_a_role, marks=pytest.mark.long),
    pytest.param(of_a_container, marks=pytest.mark.long),
]


@pytest.mark.parametrize("source", SOURCES)
def test_temporary_keys_are_renewed_before_they_end_while_an_upload_goes_on(
    ministack_server: S3Server,
    proxy: FaultProxy,
    make_daemon: MakeDaemon,
    tmp_path: Path,
    source: Callable[[Path, KeyServer], dict[str, str]],
) -> None:
    proxy.faults.replace([Rule(Fault.SLOW_REQUEST, {Operation.PART}, times=None)])
    with key_server() as keys:
        daemon = make_daemon(place_without_keys(ministack_server, proxy.endpoint, **source(tmp_path, keys)))
        daemon.start()
        with daemon.client() as client:
            handle = client.log_artifact(build(tmp_path, "model", "slow", Shape.MULTIPART))
            handle.wait(PATIENCE)
        check_committed([handle], daemon)
    parts = [met.asked for met in proxy.faults.met if met.asked.part]
    assert [asked.part for asked in sorted(parts, key=lambda asked: asked.part)] == list(range(1, PARTS + 1))
    assert len({asked.access_key for asked in parts}) > 1, "all went with the same keys"
    assert all(asked.access_key.startswith("KEY") for asked in parts)
    assert not daemon.events("store does not answer")
    assert not [entry for entry in daemon.log if "text" in entry]


def test_a_role_that_is_refused_for_a_while_is_waited_for(
    ministack_server: S3Server, proxy: FaultProxy, make_daemon: MakeDaemon, tmp_path: Path
) -> None:
    with key_server() as keys:
        keys.refusing = True
        daemon = make_daemon(place_without_keys(ministack_server, proxy.endpoint, **of_a_role(tmp_path, keys)))
        daemon.start()
        with daemon.client() as client:
            handle = client.log_artifact(build(tmp_path, "model", "late", Shape.MULTIPART))
            wait_told(client, "no credentials: AssumeRole was answered AccessDenied")
            keys.refusing = False
            check_committed([handle], daemon)
    assert not [entry for entry in daemon.log if "text" in entry]


BROKEN = {
    "fails": "import sys; sys.exit('hunter2')",
    "says-nothing": "",
    "says-hunter2": "print('hunter2')",
    "says-too-little": 'print(\'{"Version": 1, "AccessKeyId": "hunter2"}\')',
    "ended": PROGRAM.replace("minutes=15", "minutes=-15"),
}


@pytest.mark.parametrize("program", BROKEN)
def test_a_program_that_gives_no_credentials_stops_nothing_and_tells_no_secret(
    ministack_server: S3Server, proxy: FaultProxy, make_daemon: MakeDaemon, tmp_path: Path, program: str
) -> None:
    settings = of_a_program(tmp_path, KeyServer())
    (tmp_path / "program.py").write_text(BROKEN[program])
    daemon = make_daemon(place_without_keys(ministack_server, proxy.endpoint, **settings))
    daemon.start()
    with daemon.client() as client:
        handle = client.log_artifact(build(tmp_path, "model", "later", Shape.TINY))
        wait_told(client, "no credentials: ")
        assert "hunter2" not in json.dumps(client.status())
        (tmp_path / "program.py").write_text(PROGRAM)
        check_committed([handle], daemon)
    assert "hunter2" not in json.dumps(daemon.log)
    assert not [entry for entry in daemon.log if "text" in entry]
