"""The credentials of the store appear nowhere: not in logs, status or errors, nor in any file of the home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifactd.client import Client
from harness.clients import build
from harness.contents import Shape
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.places import Place, new_bucket
from servers.fault_proxy import FaultProxy, fault_proxy
from servers.faults import Fault, Rule
from servers.process import S3Server, free_port
from servers.s3_requests import Operation

ACCESS_KEY, SECRET_KEY, TOKEN = "AKIACANARYCANARY0001", "canary/secret+key/0002", "canary-session-token-0003"
PASSWORD = "canary-password-0004"
CANARIES = (ACCESS_KEY, SECRET_KEY, TOKEN, PASSWORD)
FAULTS = (
    Fault.TELLTALE,
    Fault.EXPIRED,
    Fault.SKEWED,
    Fault.DENIED,
    Fault.SLOW_DOWN,
    Fault.INTERNAL,
    Fault.BAD_GATEWAY,
    Fault.RESET,
    Fault.CUT_REQUEST,
    Fault.LOST_ANSWER,
    Fault.ERROR_IN_200,
    Fault.BROKEN_ANSWER,
    Fault.GONE,
)
UPLOADS = frozenset({Operation.HEAD, Operation.PUT, Operation.CREATE, Operation.PART, Operation.COMPLETE})
SEEN_SECONDS = 20.0


@pytest.fixture
def proxy(ministack_server: S3Server) -> Iterator[FaultProxy]:
    with fault_proxy(ministack_server.endpoint) as running:
        yield running


@pytest.fixture
def canary_place(ministack_server: S3Server, proxy: FaultProxy) -> Place:
    """A bucket of a server that takes any credentials."""
    place = new_bucket(ministack_server, proxy.endpoint)
    credentials = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": TOKEN,
    }
    return Place({**place.settings, **credentials}, place.left_behind)


def run_daemon(command: str, home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "artifactd.daemon", command, "--home", str(home), *arguments]
    return subprocess.run(line, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60)


def told(client: Client) -> str:
    """The status once it says that the store does not answer, as `status --json` prints it."""
    deadline = time.monotonic() + SEEN_SECONDS
    while not (status := client.status())["store"]["error"]:
        assert time.monotonic() < deadline, "the status says nothing of the store"
        time.sleep(0.02)
    return json.dumps(status)


def leaks(daemon: DaemonProcess, *texts: str) -> list[str]:
    """Where a canary is: in these texts, in what the daemon logged, or in a file of its home."""
    said = {text: text for text in (*texts, *map(json.dumps, daemon.log))}
    kept = {
        str(path): path.read_bytes().decode(errors="replace") for path in daemon.home.rglob("*") if path.is_file()
    }
    return [f"{canary}: {where}" for where, text in (said | kept).items() for canary in CANARIES if canary in text]


@pytest.mark.parametrize("shape", [Shape.TINY, pytest.param(Shape.MULTIPART, marks=pytest.mark.long)])
def test_no_failure_of_the_store_tells_its_credentials(
    make_daemon: MakeDaemon, proxy: FaultProxy, canary_place: Place, tmp_path: Path, shape: Shape
) -> None:
    daemon = make_daemon(canary_place)
    daemon.start()
    texts = []
    with daemon.client() as client:
        for fault in FAULTS if shape is Shape.MULTIPART else FAULTS[:-3]:
            operations = {Operation.COMPLETE} if "200" in fault else UPLOADS
            proxy.faults.replace([Rule(fault, operations, times=None)])
            handle = client.log_artifact(build(tmp_path, "model", fault.name, shape))
            texts.append(told(client))
            proxy.faults.replace([])
            handle.wait(60)
    assert leaks(daemon, *texts) == []
    daemon.stop()


def test_a_proxy_that_cannot_be_reached_tells_no_password(
    make_daemon: MakeDaemon, canary_place: Place, tmp_path: Path
) -> None:
    daemon = make_daemon(canary_place)
    daemon.start(HTTP_PROXY=f"http://user:{PASSWORD}@127.0.0.1:{free_port()}")
    with daemon.client() as client:
        client.log_artifact(build(tmp_path, "model", "away", Shape.TINY))
        text = told(client)
    assert "proxy" in text
    assert leaks(daemon, text) == []


ENDPOINT = f"http://user:{PASSWORD}@127.0.0.1:9000"
SECRET_URL = f"s3://{ACCESS_KEY}:{SECRET_KEY}@bucket/prefix"
TELLING: dict[str, tuple[list[str], dict[str, str], str, list[str]]] = {
    "flag": (["--store", SECRET_URL], {}, "", ["--store", "store.url"]),
    "flag-gs": (["--store", f"gs://{PASSWORD}@bucket"], {}, "", ["--store", "store.url"]),
    "variable": ([], {"ARTIFACTD_STORE": SECRET_URL}, "", ["environment ARTIFACTD_STORE", "store.url"]),
    "file": ([], {}, f'[store]\nurl = "{SECRET_URL}"\n', ["artifactd.toml", "store.url"]),
    "endpoint": ([], {}, f'[store.s3]\nendpoint_url = "{ENDPOINT}"\n', ["artifactd.toml", "endpoint_url"]),
    "signature": (
        [],
        {"ARTIFACTD_STORE__S3__ENDPOINT_URL": f"http://127.0.0.1:9000/?X-Amz-Signature={PASSWORD}"},
        "",
        ["environment ARTIFACTD_STORE__S3__ENDPOINT_URL", "store.s3.endpoint_url"],
    ),
    "sdk": (["--store", "s3://bucket"], {"AWS_ENDPOINT_URL": ENDPOINT}, "", ["endpoint that the SDK was given"]),
    "emulator": (["--store", "gs://bucket"], {"STORAGE_EMULATOR_HOST": ENDPOINT}, "", ["STORAGE_EMULATOR_HOST"]),
    "unknown": (
        [],
        {},
        f'[store.s3]\nsecret_access_key = "{SECRET_KEY}"\n',
        ["artifactd.toml", "no such setting"],
    ),
}


@pytest.mark.parametrize("where", TELLING)
def test_a_secret_in_a_setting_stops_the_start_and_is_not_repeated(tmp_path: Path, where: str) -> None:
    arguments, variables, text, words = TELLING[where]
    (tmp_path / "artifactd.toml").write_text(text)
    done = run_daemon("serve", tmp_path, *arguments, **variables)
    assert done.returncode == 78
    said = done.stdout + done.stderr
    assert said.startswith("artifactd: error: ")
    assert all(word in said for word in words)
    assert "without credentials" in said or "no such setting" in said
    assert "Traceback" not in said
    assert [canary for canary in CANARIES if canary in said] == []


@pytest.mark.parametrize("command", ["doctor", "verify"])
@pytest.mark.parametrize("where", ["flag", "variable", "file", "emulator", "unknown"])
def test_neither_do_doctor_and_verify_repeat_it(tmp_path: Path, where: str, command: str) -> None:
    arguments, variables, text, _ = TELLING[where]
    (tmp_path / "artifactd.toml").write_text(text)
    done = run_daemon(command, tmp_path, *arguments, **variables)
    said = done.stdout + done.stderr
    assert done.returncode == 78
    assert "Traceback" not in said
    assert [canary for canary in CANARIES if canary in said] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_what_doctor_finds_tells_no_credentials(
    proxy: FaultProxy, canary_place: Place, tmp_path: Path, fault: Fault
) -> None:
    proxy.faults.replace([Rule(fault, frozenset(Operation), times=None)])
    done = run_daemon("doctor", tmp_path, "--json", **canary_place.settings)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert [canary for canary in CANARIES if canary in said] == []
