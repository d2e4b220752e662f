from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from artifactd.client.demo import __main__ as demo

PROMISES = 10


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Of a user who has a daemon and settings of their own, which the demo must leave alone."""
    return os.environ | {
        "ARTIFACTD_HOME": str(tmp_path / "own"),
        "ARTIFACTD_SOCKET": str(tmp_path / "own.sock"),
        "ARTIFACTD_STORE": "s3://their-bucket",
    }


def run(command: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=110, check=False)


def test_every_promise_holds_and_nothing_stays_behind(environ: dict[str, str], tmp_path: Path) -> None:
    finished = run([sys.executable, "-m", "artifactd.client.cli", "demo"], environ)

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    assert len(re.findall(r"^ok  ", finished.stdout, re.MULTILINE)) == PROMISES
    assert f"{PROMISES} of {PROMISES} promises held" in finished.stdout
    assert "kill -9" in finished.stdout
    for epoch in range(10):
        assert len(re.findall(rf"^v{epoch} .*epoch {epoch} .*epoch {epoch} ", finished.stdout, re.MULTILINE)) == 1
    home = Path(re.search(r"serves (\S+);", finished.stdout)[1])  # type: ignore[index]
    assert not home.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_catalog_that_lies_is_found_out(environ: dict[str, str]) -> None:
    finished = run([sys.executable, str(Path(__file__).with_name("tampering_demo.py"))], environ)

    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert re.search(r"^FAIL  in the order of logging: .*not so for digits-lr-", finished.stdout, re.MULTILINE)


def test_without_scikit_learn_it_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)

    assert demo.main([]) == 1
    assert "pip install 'artifactd[demo]'" in capsys.readouterr().err
