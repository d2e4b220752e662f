"""The catalog is lost and the bucket is not: `artifactd rebuild-catalog`, and daemons that go on from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artifactd.client import Api, Artifact, Client
from artifactd.client._run import Run
from artifactd.daemon.crashpoints import Point
from artifactd.protocol.manifest import pack_draft
from artifactd.protocol.messages import Accepted, Submission, Submit, Wait
from harness.daemon import ENTITY, PROJECT, DaemonProcess
from harness.fixtures import MakeDaemon
from harness.mischief import Mischief
from harness.places import Place
from servers.process import free_port

SECONDS = 60


def rebuild(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "artifactd.client.cli", "rebuild-catalog", *arguments]
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=120)


def made(name: str, text: str) -> Artifact:
    artifact = Artifact(name, "model", metadata={"text": text})
    with artifact.new_file("file", "w") as file:
        file.write(text)
    return artifact


def nameless() -> Submit:
    """What a client sends to log an artifact without files."""
    return Submit(
        id=os.urandom(16),
        lane=os.urandom(16),
        seq=1,
        deadline=time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 60 * 10**9,
        entity=ENTITY,
        project=PROJECT,
        name="raw",
        type="model",
        files=0,
        size=0,
        manifest=b"".join(pack_draft([])),
    )


def submitted(client: Client, message: Submit) -> int | None:
    """The version that a submission becomes."""
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    client.link.request(replace(message, deadline=now + 60 * 10**9), Accepted)
    while True:
        found = client.link.request(Wait(id=message.id, timeout=5.0), Submission)
        if found.state in ("committed", "failed"):
            return found.version


def delivered(daemon: DaemonProcess, client: Client) -> None:
    """Wait until all records are in the store, which the daemon's word is for."""
    deadline = time.monotonic() + SECONDS
    while client.status(0)["outbox"]["rows"] or time.monotonic() < deadline - SECONDS + 2:
        assert time.monotonic() < deadline, daemon.tail()
        time.sleep(0.1)


def work(client: Client, message: Submit) -> None:
    """Log, edit, delete, link and use."""
    with Run(client, id="train", config={"lr": 0.1}) as run:
        for text in ("one", "two", "three"):
            run.log_artifact(made("model", text), aliases=["best"] if text == "two" else []).wait(SECONDS)
    with Run(client, id="eval") as run:
        used = run.use_artifact("model:best")
        used.description = "the best"
        used.tags.append("good")
        used.save()
        run.link_artifact(used, f"{ENTITY}/shelf/models", ["prod"])
    Api(client=client).artifact("model:v3").delete(delete_aliases=True)
    assert submitted(client, message) == 0
    client.log_artifact(made("raw", "more")).wait(SECONDS)


def seen(client: Client) -> dict[str, Any]:
    """What readers see of it."""
    api = Api(client=client)
    best, linked = api.artifact("model:best"), api.artifact(f"{ENTITY}/shelf/models:prod")
    return {
        "versions": [(v.name, v.digest, sorted(v.aliases)) for v in api.artifact_versions("model", "model")],
        "best": (best.version, best.description, best.metadata, list(best.tags), best.created_at),
        "linked": (linked.version, linked.description, linked.digest),
        "logged": [v.name for v in api.run("train").logged_artifacts()],
        "used": [v.name for v in api.run("eval").used_artifacts()],
        "runs": [(run.id, run.state, run.config) for run in api.runs()],
    }


def test_a_daemon_goes_on_with_a_rebuilt_catalog(make_daemon: MakeDaemon, place: Place, tmp_path: Path) -> None:
    daemon, message = make_daemon(place), nameless()
    # Records are stored, and their rows are still there when it dies.
    daemon.start(Mischief(kill_at=Point.RECORDS_STORED, kill_count=2))
    with daemon.client() as client:
        client.log_artifact(made("model", "zero")).wait(SECONDS)
        time.sleep(2)
        other = client.log_artifact(made("other", "zero"))
        assert daemon.wait_killed(SECONDS)
        daemon.start()
        other.wait(SECONDS)
        work(client, message)
        before = seen(client)
        delivered(daemon, client)
    daemon.kill()

    catalog = f"sqlite:///{tmp_path}/rebuilt/catalog.db"
    done = rebuild(place.settings, "--catalog", catalog, "--home", str(tmp_path / "nothing"), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert (report["collections"], report["versions"], report["runs"]) == (4, 8, 2)

    fresh = make_daemon(place)
    fresh.start(ARTIFACTD_CATALOG=catalog)
    with fresh.client() as client:
        assert seen(client) == before
        assert (
            Path(Api(client=client).artifact("model:best").download(tmp_path / "best"), "file").read_text()
            == "two"
        )
        # The number of a version that was deleted is not given again.
        handle = client.log_artifact(made("model", "four"))
        assert handle.wait(SECONDS).version == "v4"
        # Who submits again what was committed once hears what it became then, though v1 is there by now.
        assert submitted(client, message) == 0
        assert Api(client=client).artifact("raw:latest").version == "v1"
    fresh.stop()


def test_exit_codes_tell_what_is_wrong(tmp_path: Path) -> None:
    store = ("--store", f"file://{tmp_path}/objects", "--home", str(tmp_path))
    catalog = ("--catalog", f"sqlite:///{tmp_path}/catalog.db")
    done = rebuild({}, *store, *catalog)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "blobs\t0")
    damaged = tmp_path / "objects/team/records/runs/p/r/thing"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"?")
    done = rebuild({}, *store, *catalog)
    assert done.returncode == 1
    assert "damaged\t1" in done.stdout.splitlines()
    assert "team/records/runs/p/r/thing" in done.stdout
    assert rebuild({}, *store, "--catalog", "mysql://host/db").returncode == 78
    assert rebuild({}, "--store", "memory:", *catalog).returncode == 78
    (tmp_path / "none.db").write_bytes(b"no database" * 1000)
    assert rebuild({}, *store, "--catalog", f"sqlite:///{tmp_path}/none.db").returncode == 69


def test_a_catalog_with_something_in_it_is_left_alone(daemon: DaemonProcess, tmp_path: Path) -> None:
    daemon.start()
    with daemon.client() as client:
        client.log_artifact(made("model", "one")).wait(SECONDS)
    daemon.stop()
    done = rebuild(daemon.place.settings, "--catalog", f"sqlite:///{daemon.home}/catalog.db")
    assert done.returncode == 1
    assert "not empty" in done.stderr
    daemon.start()
    with daemon.client() as client:
        assert Api(client=client).artifact("model").version == "v0"


@pytest.mark.long
def test_a_store_that_does_not_answer_leaves_a_catalog_that_is_begun_again(tmp_path: Path) -> None:
    catalog = ("--catalog", f"sqlite:///{tmp_path}/catalog.db", "--home", str(tmp_path))
    dead = {
        "ARTIFACTD_STORE__S3__ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    done = rebuild(dead, "--store", "s3://bucket", *catalog)
    assert done.returncode == 69, done.stderr
    assert rebuild({}, "--store", f"file://{tmp_path}/objects", *catalog).returncode == 0
