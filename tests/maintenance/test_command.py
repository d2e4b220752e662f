"""`artifactd verify` as it is called: exit codes, what it says of what cannot be verified, and no secrets."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from artifactd.daemon.catalog import Catalog
from artifactd.daemon.catalog.records import BlobLocation
from harness.processes import environment
from maintenance.command import line, run_verify, start_verify
from servers.process import S3Server, free_port

SECRET = "canary-secret-0001"
KEYS = S3Server("", "AKIACANARY", SECRET).environ


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a catalog that has one blob, in a home without a store."""
    catalog = Catalog.open(f"sqlite:///{tmp_path}/home/catalog.db")
    catalog.register_blobs([("team", f"blake3:{1:064x}", BlobLocation("team/blobs/00/1", 0, 7))])
    catalog.close()
    return tmp_path / "home"


def test_an_empty_catalog_is_well(tmp_path: Path) -> None:
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db").close()
    done = run_verify(tmp_path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "catalog": f"sqlite:///{tmp_path}/catalog.db",
        "store": f"file://{tmp_path}/blobs",
        "read_data": False,
        "complete": True,
        "checked": {
            "blobs": 0,
            "bytes": 0,
            "read": 0,
            "versions": 0,
            "entries": 0,
            "orphans": 0,
            "orphan_bytes": 0,
        },
        "counts": dict.fromkeys(
            [
                "missing blob",
                "wrong size",
                "corrupt blob",
                "unreadable blob",
                "missing manifest",
                "corrupt manifest",
                "unreadable manifest",
                "unregistered blob",
            ],
            0,
        ),
        "findings": [],
        "more": False,
    }


def test_a_finding_is_exit_code_1_and_an_object_for_programs(home: Path) -> None:
    done = run_verify(home, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["findings"] == [
        {
            "kind": "missing blob",
            "entity": "team",
            "digest": f"blake3:{1:064x}",
            "key": "team/blobs/00/1",
            "found": "there is no object",
            "versions": [],
            "more_versions": False,
        }
    ]


def test_a_store_that_cannot_be_reached_is_exit_code_69_and_what_was_seen_is_said(home: Path) -> None:
    endpoint = {"ARTIFACTD_STORE__S3__ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    done = run_verify(home, "--json", "--store", "s3://bucket", **KEYS, **endpoint)
    assert done.returncode == 69
    assert done.stderr.startswith("artifactd: error: list team/blobs/: ")
    report = json.loads(done.stdout)
    assert (report["complete"], report["findings"]) == (False, [])
    assert SECRET not in done.stdout + done.stderr


def test_a_catalog_that_cannot_be_reached_is_exit_code_69(tmp_path: Path) -> None:
    url = f"postgresql://ada:{SECRET}@127.0.0.1:{free_port()}/catalog"
    done = run_verify(tmp_path, "--catalog", url, "--store", f"file://{tmp_path}/blobs")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith("artifactd: error: the catalog can't answer: ")
    assert SECRET not in done.stderr


def spoil(home: Path) -> None:
    with closing(sqlite3.connect(home / "catalog.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from-2031'")
        connection.commit()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--catalog", "sqlite:////nowhere/catalog.db"], "there is no catalog at /nowhere/catalog.db"),
        (["--catalog", f"mysql://ada:{SECRET}@host/db"], "catalog.url"),
        (["--store", "memory:"], "memory:"),
        (["--store", f"s3://ada:{SECRET}@bucket"], "store.url"),
        (["--config", "/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_what_is_configured_badly_is_exit_code_78(home: Path, arguments: list[str], said: str) -> None:
    done = run_verify(home, *arguments)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("artifactd: error: ")
    assert said in done.stderr
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr


def test_another_releases_catalog_is_exit_code_78_and_stays_as_it_is(home: Path) -> None:
    spoil(home)
    before = (home / "catalog.db").read_bytes()
    done = run_verify(home)
    assert (done.returncode, done.stdout) == (78, "")
    assert "from-2031" in done.stderr
    assert (home / "catalog.db").read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_exit_code_130_and_what_was_seen_is_said(home: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = {"ARTIFACTD_STORE__S3__ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with start_verify(home, "--json", "--store", "s3://bucket", **KEYS, **endpoint) as process:
            silent.settimeout(30)
            connection, _ = silent.accept()
            with connection:
                process.send_signal(number)
                said, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")
    assert json.loads(said)["complete"] is False


def test_a_terminal_sees_progress_and_a_summary(home: Path) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(line(home, ()), env=environment({}), stdout=slave, stderr=slave) as process:
        os.close(slave)
        seen = b""
        while data := read(master):
            seen += data
    os.close(master)
    assert process.returncode == 1
    text = seen.decode()
    assert "blobs, 0 versions" in text
    assert f"missing blob  blake3:{1:064x} at team/blobs/00/1: there is no object\r\n" in text
    assert "blobs     1 of 7 B\r\n" in text
    assert "findings  1 missing blob\r\n" in text


def read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize("command", ["verify", "verify --json", "gc", "retention", "doctor"])
def test_a_reader_who_has_seen_enough_ends_it_without_a_word(tmp_path: Path, command: str) -> None:
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db").close()
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "artifactd.daemon", *command.split(), "--home", str(tmp_path)],
            env=environment({}),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
