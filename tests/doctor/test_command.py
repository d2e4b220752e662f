"""`artifactd doctor` as it is called: exit codes, and a report for people, for pipes and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from artifactd.daemon.doctor import as_lines, as_table
from artifactd.daemon.stores.doctor.report import Finding, Level, Report
from servers.process import free_port

SECRET = "wJalrXUtnFEMI-secret"
REPORT = Report(
    "s3://bucket",
    (
        Finding("write", Level.OK, True, "as it should be"),
        Finding("server", Level.FAILURE, False, "it said \x1b[2J\tand\nmore", "try later"),
    ),
    ("artifactd-probe/x/small",),
)


def doctor(home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "artifactd.client.cli", "doctor", "--home", str(home), *arguments]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60)


def test_without_a_store_the_configured_one_is_examined(tmp_path: Path) -> None:
    (tmp_path / "artifactd.toml").write_text(f'[store]\nurl = "file://{tmp_path}/objects"\n')
    done = doctor(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["store"] == f"file://{tmp_path}/objects"
    assert report["works"] is True
    assert report["left"] == []
    assert {"topic", "level", "value", "found", "follows"} == report["findings"][0].keys()


def test_in_a_pipe_a_finding_is_a_line(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--store", f"file://{tmp_path}/objects")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {len(row) for row in rows} == {4}
    assert {row[0] for row in rows} == {"ok"}


def test_a_store_that_does_not_work_is_exit_code_1_and_no_secret_shows(tmp_path: Path) -> None:
    done = doctor(
        tmp_path,
        "--store",
        "s3://bucket",
        ARTIFACTD_STORE__S3__ENDPOINT_URL=f"http://127.0.0.1:{free_port()}",
        AWS_ACCESS_KEY_ID="AKIA",
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_SESSION_TOKEN=SECRET,
    )
    assert done.returncode == 1
    assert "failure\tendpoint" in done.stdout
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("url", ["ftp://host/dir", f"s3://AKIA:{SECRET}@bucket/prefix", "s3://bucket?x=1"])
def test_a_url_that_is_no_stores_is_exit_code_78(tmp_path: Path, url: str) -> None:
    done = doctor(tmp_path, "--store", url)
    assert done.returncode == 78
    assert done.stdout == ""
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert doctor(tmp_path, "--catalog", "sqlite:///x").returncode == 2


def test_a_store_in_memory_is_a_warning(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--store", "memory:")
    assert done.returncode == 0
    assert done.stdout.startswith("warning\t")


def test_what_a_server_says_moves_no_cursor_and_breaks_no_line() -> None:
    lines = list(as_lines(REPORT))
    assert lines[1] == "failure\tserver\tit said  [2J and more\ttry later"
    assert lines[2] == "left\tartifactd-probe/x/small"
    assert "\x1b" not in "".join(as_table(REPORT, 80))


def test_a_table_keeps_to_the_width_and_ends_with_the_verdict() -> None:
    lines = list(as_table(REPORT, 40))
    assert max(len(line) for line in lines) <= 60
    assert lines[-1].startswith("artifactd cannot work")
    assert any("→ try later" in line for line in lines)
