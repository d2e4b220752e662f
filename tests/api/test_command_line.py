"""The `artifactd` command against a real daemon: what it prints into a pipe, and how it exits."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from api.support import SECONDS, files_below, made_of
from artifactd.client import Client, __version__
from harness.daemon import DaemonProcess
from harness.processes import environment


@pytest.fixture
def environ(daemon: DaemonProcess, client: Client) -> dict[str, str]:
    return environment(
        {
            "ARTIFACTD_HOME": str(daemon.home),
            "ARTIFACTD_ENTITY": client.scope.entity,
            "ARTIFACTD_PROJECT": client.scope.project,
        }
    )


class Shell:
    """Runs the command in `directory` with `environ`."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self.directory = directory
        self.environ = environ

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "artifactd.client.cli", *arguments],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def lines(self, *arguments: str | Path) -> list[list[str]]:
        """What it prints, by line and tab; it must go well and complain of nothing."""
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def json(self, *arguments: str | Path) -> Any:
        done = self.run(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def fails(self, code: int, *arguments: str | Path) -> str:
        """What it complains of; it must exit with `code` and print nothing else."""
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (code, "")
        return done.stderr


@pytest.fixture
def shell(tmp_path: Path, environ: dict[str, str]) -> Shell:
    return Shell(tmp_path, environ)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "a").write_bytes(b"a")
    (tmp_path / "source" / "deep" / "b").write_bytes(b"bb")
    return tmp_path / "source"


def test_a_directory_is_logged_shown_listed_and_fetched_back(
    shell: Shell, client: Client, source: Path, name: str
) -> None:
    about = ("--name", name, "--type", "dataset", "--description", "two files", "--metadata", '{"rows": 2}')
    labels = ("--alias", "best", "--alias", "x", "--tag", "t")
    said = dict(shell.lines("log", source, *about, *labels, "--wait"))
    address = f"{client.scope.entity}/{client.scope.project}/{name}:v0"
    digest = client.use_artifact(name).digest
    assert said.keys() == {"id", "name", "files", "bytes", "address", "digest"}
    assert (said["name"], said["files"], said["bytes"], said["address"]) == (name, "2", "3", address)
    ((version, aliases, files, size, _, listed),) = shell.lines("ls", name)
    assert (version, aliases, files, size, listed) == ("v0", "best,latest,x", "2", "3", digest)
    shown = dict(shell.lines("show", f"{name}:best"))
    assert (shown["address"], shown["type"], shown["metadata"], shown["tags"]) == (
        address,
        "dataset",
        '{"rows":2}',
        "t",
    )
    assert shell.lines("get", f"{name}:best") == [[f"artifacts/{name}:v0"]]
    assert files_below(shell.directory / "artifacts" / f"{name}:v0") == files_below(source)


def test_every_command_has_a_json_form(shell: Shell, client: Client, source: Path, name: str) -> None:
    logged = shell.json("log", source / "a", "--name", name, "--type", "model", "--wait", "--policy", "immutable")
    address = f"{client.scope.entity}/{client.scope.project}/{name}:v0"
    digest = client.use_artifact(name).digest
    id = logged.pop("id")
    assert logged == {"name": name, "files": 1, "bytes": 1, "address": address, "digest": digest}
    assert shell.json("wait", id) == {"id": id, "state": "committed", "address": address, "digest": digest}
    shown = shell.json("show", name)
    created = shown.pop("created_at")
    assert shown == {
        "address": address,
        "type": "model",
        "aliases": ["latest"],
        "tags": [],
        "description": None,
        "metadata": {},
        "files": 1,
        "bytes": 1,
        "digest": digest,
        "run": None,
    }
    assert shell.json("ls", name) == [{**shown, "created_at": created}]
    (collection,) = [item for item in shell.json("ls") if item["address"] == address.removesuffix(":v0")]
    assert collection.pop("updated_at") == created
    assert collection == {"address": address.removesuffix(":v0"), "type": "model", "versions": 1, "newest": "v0"}
    root = str(shell.directory / "to")
    assert shell.json("get", name, "--root", root) == {"address": address, "root": root, "files": 1, "bytes": 1}


def test_log_returns_once_accepted_and_wait_waits(
    held: AbstractContextManager[None], shell: Shell, client: Client, source: Path, name: str
) -> None:
    with held:
        id = shell.json("log", source, "--name", name)["id"]
        assert client.handle(id).state in ("accepted", "hashing")
        (item,) = [item for item in shell.json("status")["items"] if item["id"] == id]
        assert (item["files"], item["bytes"], item["error"]) == (2, 3, None)
        assert item["address"] == f"{client.scope.entity}/{client.scope.project}/{name}"
        assert shell.lines("wait", id, "--until", "durable")[0] == ["id", id]
        assert id in shell.fails(1, "wait", id, "--timeout", "0.1")
    assert dict(shell.lines("wait", id))["state"] == "committed"


def test_status_tells_of_the_daemon_its_store_its_catalog_and_its_spool(
    daemon: DaemonProcess, shell: Shell, client: Client, name: str
) -> None:
    client.log_artifact(made_of(name, {})).wait(SECONDS)
    status = shell.json("status", "--limit", "0")
    assert status.keys() == {
        "daemon",
        "submissions",
        "quarantined",
        "items",
        "more",
        "store",
        "catalog",
        "outbox",
        "spool",
    }
    assert (status["daemon"]["version"], status["items"], status["quarantined"]) == (__version__, [], 0)
    assert status["submissions"].keys() == {
        "accepted",
        "hashing",
        "uploading",
        "ready",
        "committed",
        "failed",
        "cancelled",
    }
    assert status["submissions"]["committed"] >= 1
    assert (status["store"]["state"], status["catalog"]["state"]) == ("ok", "ok")
    assert status["catalog"]["url"] == f"sqlite:///{daemon.home / 'catalog.db'}"
    assert status["spool"]["path"] == str(daemon.spool)
    summary = dict(line.split("\t") for line in shell.run("status").stdout.partition("\n\n")[0].splitlines())
    assert summary.keys() == {"daemon", "queue", "store", "catalog", "records", "spool"}
    assert status["outbox"].keys() == {"rows", "age"}
    assert summary["records"] == "all in the store" or "not in the store yet" in summary["records"]
    assert f"pid {status['daemon']['pid']}," in summary["daemon"]


def test_a_failure_is_exit_1_with_the_reason(shell: Shell, client: Client, source: Path, name: str) -> None:
    client.log_artifact(made_of(name, {}))
    refused = shell.fails(1, "log", source, "--name", name, "--type", "model", "--wait")
    assert "'dataset', not 'model'" in refused
    assert f"{name}:nothing" in shell.fails(1, "get", f"{name}:nothing")
    assert f"{name}x" in shell.fails(1, "ls", f"{name}x")
    assert "ab" * 16 in shell.fails(1, "wait", "ab" * 16)


@pytest.mark.parametrize(
    "arguments",
    [
        ["log", "nowhere"],
        ["log", ".", "--name", "a b"],
        ["log", ".", "--type", "job"],
        ["log", ".", "--alias", "v1"],
        ["log", ".", "--metadata", "[1]"],
        ["get", "a b"],
        ["wait", "xyz"],
        ["show"],
        ["levitate"],
    ],
)
def test_bad_usage_is_exit_2(arguments: list[str], shell: Shell) -> None:
    assert "error" in shell.fails(2, *arguments)


def test_no_daemon_is_exit_69_with_socket_and_command(shell: Shell) -> None:
    shell.environ |= {"ARTIFACTD_HOME": str(shell.directory)}
    for arguments in (["status"], ["log", "."], ["ls"]):
        said = shell.fails(69, *arguments)
        assert "artifactd.sock" in said
        assert "artifactd serve" in said


def test_bad_configuration_is_exit_78(shell: Shell) -> None:
    shell.environ |= {"ARTIFACTD_PROJECT": "a b"}
    assert "'a b'" in shell.fails(78, "ls")


def test_a_terminal_sees_progress_and_a_pipe_does_not(shell: Shell, source: Path, name: str) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "artifactd.client.cli", "log", str(source), "--name", name, "--wait"],
        env=shell.environ,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        seen = b""
        while b"digest" not in seen:
            seen += os.read(master, 1 << 16)
        assert process.wait() == 0
    os.close(master)
    assert b"taking the files" in seen
    assert f"{name}:v0".encode() in seen
    assert "taking the files" not in shell.run("log", source, "--name", name, "--wait").stderr
