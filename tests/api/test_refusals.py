"""What is refused before anything is sent, and leaves an artifact as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from api.support import SECONDS, made_of
from artifactd.client import Artifact, Client


@pytest.mark.parametrize(
    "path", ["", ".", "/a", "../a", "a/../b", "C:/a", "a\\b", "a\0b", "a\nb", "\ud800", "x" * 256, "ä" * 128]
)
def test_bad_entry_paths_are_refused_and_nothing_is_added(path: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    artifact = Artifact(name, "dataset")
    with pytest.raises(ValueError, match="entry path"):
        artifact.add_file(tmp_path / "file", path)
    with pytest.raises(ValueError, match="entry path"), artifact.new_file(path):
        pass
    assert artifact.entries == {}


def test_a_path_is_no_file_and_directory_at_once(name: str) -> None:
    artifact = made_of(name, {"a": b"", "b/c": b""})
    for path in ("a/b", "b"):
        with pytest.raises(ValueError, match="both a file and a directory"), artifact.new_file(path):
            pass
    assert sorted(artifact.entries) == ["a", "b/c"]


def dangling(root: Path) -> str:
    (root / "dangling").symlink_to(root / "nowhere")
    return "dangling"


def missing(root: Path) -> str:
    return "missing"


def fifo(root: Path) -> str:
    os.mkfifo(root / "fifo")
    return "fifo"


@pytest.mark.parametrize("make", [dangling, missing, fifo])
def test_what_is_no_file_is_refused_by_name(make: Callable[[Path], str], name: str, tmp_path: Path) -> None:
    artifact = Artifact(name, "dataset")
    bad = make(tmp_path)
    with pytest.raises(ValueError, match=bad):
        artifact.add_file(tmp_path / bad)
    with pytest.raises(ValueError, match=bad):
        artifact.add_dir(tmp_path / bad)
    if make is not missing:
        with pytest.raises(ValueError, match=bad):
            artifact.add_dir(tmp_path)
    assert artifact.entries == {}


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1: "key"}, "a\0b", "\ud800", b"bytes", {"a": {1, 2}}, "x" * (1 << 20)],
    ids=["nan", "inf", "key", "nul", "surrogate", "bytes", "set", "large"],
)
def test_metadata_that_json_would_lose_is_refused(value: object, client: Client, name: str) -> None:
    with pytest.raises(ValueError, match="metadata"):
        Artifact(name, "dataset", metadata={"value": value})
    artifact = made_of(name, {})
    artifact.metadata["value"] = value
    with pytest.raises(ValueError, match="metadata"):
        client.log_artifact(artifact)


@pytest.mark.parametrize("bad", ["reference model", "", "a/b", "a:b", "é", "x" * 129, ".."])
def test_bad_names_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="artifact name"):
        Artifact(bad, "dataset")


@pytest.mark.parametrize("bad", ["job", "wandb-history", "a b", ""])
def test_bad_types_are_refused(bad: str, name: str) -> None:
    with pytest.raises(ValueError, match="artifact type"):
        Artifact(name, bad)


@pytest.mark.parametrize("bad", ["v3", "a/b", "a:b", "", "v007"])
def test_bad_aliases_are_refused_and_the_artifact_can_still_be_logged(bad: str, client: Client, name: str) -> None:
    artifact = made_of(name, {})
    with pytest.raises(ValueError, match="alias"):
        client.log_artifact(artifact, aliases=[bad])
    assert client.log_artifact(artifact, aliases=["good"]).wait(SECONDS).version == "v0"
