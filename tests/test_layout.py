"""The shape of the distribution: namespace parts, typed, and a client that imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ["protocol", "client", "daemon"]
TOP_LEVEL = {
    "pyproject.toml", "README.md", "daemon", "client", "protocol", "tests", "systemd",
    "Makefile", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "docs",
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_no_part_closes_the_namespace(part: str) -> None:
    assert not (ROOT / part / "artifactd" / "__init__.py").exists()
    assert (ROOT / part / "artifactd" / part / "__init__.py").exists()


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_typed(part: str) -> None:
    assert (ROOT / part / "artifactd" / part / "py.typed").exists()


def test_the_top_level_is_as_decided() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert {path.split("/")[0] for path in tracked if not path.startswith(".")} == TOP_LEVEL


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version("artifactd") == project["version"]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_importing_the_client_loads_no_socket_no_codec_and_no_daemon() -> None:
    heavy = ["zmq", "msgpack", "blake3", "xxhash", "trio", "asyncio", "artifactd.daemon", "pydantic"]
    code = f"import sys, artifactd.client; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_importing_the_daemon_loads_no_sdk() -> None:
    heavy = ["aiohttp", "aiobotocore", "botocore", "awscrt", "uvloop"]
    code = f"import sys, artifactd.daemon.app; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
