"""The command line: what it prints for people and for pipes, and how it exits."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_daemon import FakeDaemon
from test_handle import ACCEPTED, COMMITTED, VERSION, moves

from artifactd.client.cli import main
from artifactd.protocol.messages import (
    Collection,
    Collections,
    Failure,
    GetCollections,
    GetStatus,
    GetVersions,
    Message,
    StatusSnapshot,
    Versions,
)

STATUS: dict[str, Any] = {
    "daemon": {"version": "0.1.0", "pid": 7, "uptime": 3700.0},
    "submissions": {"accepted": 2, "failed": 0},
    "items": [
        {
            "id": "ab" * 16,
            "address": "me/bikes/model",
            "type": "model",
            "state": "uploading",
            "position": 3,
            "files": 4,
            "files_done": 1,
            "bytes": 4 << 20,
            "bytes_done": 1 << 20,
            "rate": float(1 << 20),
            "waiting_for": None,
            "error": None,
        }
    ],
    "more": False,
    "store": {"url": "file:///blobs", "state": "ok", "error": None},
    "catalog": {"url": "sqlite:///c", "state": "down", "error": "no route"},
    "spool": {"path": "/spool", "used": 1024, "free": 1 << 30, "reserve": 1 << 20},
}


@pytest.fixture(autouse=True)
def here(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACTD_SOCKET", str(daemon.path))
    monkeypatch.setenv("ARTIFACTD_ENTITY", "me")
    monkeypatch.setenv("ARTIFACTD_PROJECT", "bikes")


def collections(message: Message) -> Message | None:
    items = [
        Collection(entity="me", project="bikes", name=f"n{index}", type="t", versions=1, newest=0, updated_at=0.0)
        for index in range(3)
    ]
    match message:
        case GetCollections(after=None):
            return Collections(items=tuple(items[:2]), more=True)
        case GetCollections(after=("bikes", "n1")):
            return Collections(items=tuple(items[2:]), more=False)
        case GetVersions():
            return Versions(items=(VERSION,), more=False)
    return None


def test_log_prints_what_a_script_needs(
    daemon: FakeDaemon, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--name", "m", "--type", "model", "--alias", "best", "--tag", "t1", "--description", "d"]
    assert main(["log", str(file), *arguments, "--metadata", '{"epoch": 1}']) == 0
    (submit,) = daemon.submits()
    assert (submit.name, submit.type, submit.aliases, submit.tags) == ("m", "model", ("best",), ("t1",))
    assert (submit.description, submit.metadata) == ("d", '{"epoch":1}')
    assert capsys.readouterr().out == f"id\t{submit.id.hex()}\nname\tm\nfiles\t1\nbytes\t12\n"


def test_log_wait_prints_the_version_as_json(
    daemon: FakeDaemon, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.handler = moves(ACCEPTED, COMMITTED)
    assert main(["log", str(file.parent), "--wait", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["address"].startswith("me/bikes/")
    assert printed["address"].endswith(":v3")


def test_wait_tells_where_it_stands_and_fails_in_time(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.handler = moves(COMMITTED)
    assert main(["wait", "ab" * 16, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == "me/bikes/model:v3"
    daemon.handler = moves(ACCEPTED)
    assert main(["wait", "ab" * 16, "--timeout", "0.05"]) == 1
    assert "accepted" in capsys.readouterr().err
    daemon.handler = moves(ACCEPTED.__class__(**{**fields_of(ACCEPTED), "durable": True}))
    assert main(["wait", "ab" * 16, "--until", "durable"]) == 0


def fields_of(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__slots__}


def test_status_is_the_daemons_object_or_a_summary(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.handler = lambda message: StatusSnapshot(status=STATUS) if isinstance(message, GetStatus) else None
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == STATUS
    assert main(["status", "--limit", "3"]) == 0
    out = capsys.readouterr().out
    assert "queue\t2 accepted\n" in out
    assert "catalog\tsqlite:///c: down (no route)\n" in out
    assert f"me/bikes/model\tuploading\t1/4\t1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3s left\t-\t{'ab' * 16}\n" in out
    assert daemon.received[-1][1] == GetStatus(limit=3)


def test_an_idle_daemon_is_said_to_be_idle(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    idle = STATUS | {"items": [], "submissions": {}}
    daemon.handler = lambda message: StatusSnapshot(status=idle)
    assert main(["status"]) == 0
    printed = capsys.readouterr()
    assert "queue\tempty\n" in printed.out
    assert "nothing is queued" in printed.err


def test_ls_pages_through_everything(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.handler = collections
    assert main(["ls", "--json"]) == 0
    assert [item["address"] for item in json.loads(capsys.readouterr().out)] == [
        "me/bikes/n0",
        "me/bikes/n1",
        "me/bikes/n2",
    ]
    assert main(["ls"]) == 0
    assert [line.split("\t")[:4] for line in capsys.readouterr().out.splitlines()] == [
        [f"bikes/n{index}", "t", "1", "v0"] for index in range(3)
    ]
    assert main(["ls", "model"]) == 0
    assert capsys.readouterr().out.startswith("v3\tlatest\t2\t20\t")


def test_an_empty_catalog_says_how_to_begin(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.handler = lambda message: Collections(items=(), more=False)
    assert main(["ls"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "artifactd log" in printed.err


def test_show_describes_a_version(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.handler = moves(COMMITTED)
    assert main(["show", "model:best", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["address"], shown["metadata"], shown["bytes"]) == ("me/bikes/model:v3", {"epoch": 3}, 20)
    assert main(["show", "model:best"]) == 0
    assert 'metadata\t{"epoch": 3}\n' in capsys.readouterr().out


def test_a_refusal_of_the_daemon_is_exit_1_with_its_remedy(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.handler = lambda message: Failure(code="not_found", message="no such artifact", remedy="see ls")
    assert main(["show", "model"]) == 1
    assert capsys.readouterr().err == "artifactd: error: no such artifact (see ls)\n"


@pytest.mark.parametrize(
    "arguments",
    [["show", "a:b:c/d"], ["wait", "xyz"], ["log", "/nowhere"], ["log", "/etc/hosts", "--metadata", "["]],
)
def test_bad_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("artifactd: error: ")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["status", "--nonsense"], ["log"]])
def test_what_argparse_refuses_is_exit_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_an_absent_daemon_is_exit_69_with_the_command_that_starts_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--socket", str(home / "nobody.sock"), "status"]) == 69
    error = capsys.readouterr().err
    assert error.startswith(f"artifactd: error: no daemon answers on {home}/nobody.sock")
    assert "artifactd serve" in error


def test_bad_configuration_is_exit_78(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ARTIFACTD_ENTITY", "a b")
    assert main(["status"]) == 78
    assert "'a b'" in capsys.readouterr().err


def test_an_interrupt_is_exit_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("artifactd.client.client.Client.status", interrupted)
    assert main(["status"]) == 130


@pytest.mark.parametrize("command", ["serve", "doctor", "verify"])
def test_a_command_of_the_daemon_names_the_missing_extra(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("artifactd.client.cli.launch.find_spec", lambda name: None)
    assert main([command, "--home", "x"]) == 1
    assert "pip install 'artifactd[daemon]'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "doctor", "verify"])
def test_a_command_of_the_daemon_is_run_with_its_arguments(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[str] = []

    def execv(path: str, arguments: list[str]) -> None:
        became.extend(arguments[1:])
        raise SystemExit

    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(SystemExit):
        main(["--socket", "s.sock", command, "--home", str(home), "--help"])
    assert became == ["-m", "artifactd.daemon", command, "--home", str(home), "--help"]
    assert os.environ["ARTIFACTD_SOCKET"] == "s.sock"


def run_on_a_terminal(arguments: list[str]) -> str:
    """What a person would see."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "artifactd.client.cli", *arguments], stdout=slave, stderr=slave, stdin=slave
    ) as process:
        os.close(slave)
        seen = b""
        while data := read(master):
            seen += data
        assert process.wait() == 0
    os.close(master)
    return seen.decode()


def read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def test_a_terminal_gets_tables(daemon: FakeDaemon) -> None:
    daemon.handler = collections
    lines = run_on_a_terminal(["ls"]).splitlines()
    assert lines[0].split() == ["ARTIFACT", "TYPE", "VERSIONS", "NEWEST", "UPDATED"]
    assert lines[1].index("t ") == lines[0].index("TYPE")


def test_a_terminal_sees_the_progress_of_a_log(daemon: FakeDaemon, file: Path) -> None:
    daemon.handler = moves(*[ACCEPTED] * 3, COMMITTED)
    seen = run_on_a_terminal(["log", str(file), "--name", "model", "--wait"])
    assert "taking the files" in seen
    assert "1/2 files, 10 B of 20 B" in seen
    assert "me/bikes/model:v3" in seen


def test_a_closed_pipe_ends_quietly(daemon: FakeDaemon) -> None:
    daemon.handler = collections
    process = subprocess.Popen(
        [sys.executable, "-m", "artifactd.client.cli", "ls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    process.wait()
