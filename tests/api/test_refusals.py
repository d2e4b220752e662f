"""What is refused before anything is sent, and leaves an artifact as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, made_of
from artifactd.client import Api, Artifact, Client, InvalidRequest, Table


@pytest.mark.parametrize(
    "path",
    ["", ".", "/a", "../a", "a/../b", "C:/a", "a\\b", "a\0b", "a\nb", "a\x9b", "\ud800", "x" * 256, "ä" * 128],
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
    [
        float("nan"),
        float("inf"),
        {1: "key"},
        "a\0b",
        "\ud800",
        b"bytes",
        {"a": {1, 2}},
        "x" * (1 << 20),
        [-(10**4300)],
    ],
    ids=["nan", "inf", "key", "nul", "surrogate", "bytes", "set", "large", "digits"],
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


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("after", lambda client, name: client.log_artifact(made_of(name, {}), after="v0")),
        ("priority", lambda client, name: client.log_artifact(made_of(name, {}), priority=2**70)),
        ("priority", lambda client, name: client.log_artifact(made_of(name, {}), priority=10**5000)),
        ("priority", lambda client, name: client.log_artifact(made_of(name, {}), priority="high")),
        ("artifact_or_path", lambda client, name: client.log_artifact(5)),
        ("path", lambda client, name: Artifact(name, "dataset").add_file(None)),
        ("path", lambda client, name: Artifact(name, "dataset").add_dir(b"images")),
        ("type", lambda client, name: client.use_artifact(name, type=5)),
        ("per_page", lambda client, name: Api().runs(per_page="5")),
        ("per_page", lambda client, name: Api().artifact_collections("dataset", per_page=0)),
        ("per_page", lambda client, name: Api().artifacts("dataset", name, per_page=True)),
        ("timeout", lambda client, name: Client(client.link.socket, timeout="x")),
        ("timeout", lambda client, name: Api(timeout=-1)),
        ("data", lambda client, name: Table(data=5)),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_by_its_name(
    argument: str, call: Callable[[Any, str], object], client: Client, name: str
) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{argument} must be "):
        call(client, name)
    assert not Api().artifact_exists(name)


def test_a_version_refuses_arguments_of_the_wrong_kind_too(client: Client, name: str) -> None:
    handle = client.log_artifact(made_of(name, {"a": b"1"}))
    version: Any = handle.wait(SECONDS)
    with pytest.raises(InvalidRequest, match=r"^path_prefix must be a string"):
        version.download(path_prefix=5)
    with pytest.raises(InvalidRequest, match=r"^root must be a path"):
        version.checkout(5)
    with pytest.raises(InvalidRequest, match=r"^timeout must be a number"):
        handle.wait(timeout="5")  # type: ignore[arg-type]
    for call in (version.used_by, artifactd.init(id=name).logged_artifacts):
        with pytest.raises(InvalidRequest, match=r"^per_page must be a whole number"):
            call(per_page="5")


def test_waiting_until_anything_but_durable_and_committed_is_refused(client: Client, name: str) -> None:
    handle = client.log_artifact(made_of(name, {"a": b"1"}))
    with pytest.raises(InvalidRequest, match=r"^until must be 'durable' or 'committed', not 'comitted'"):
        handle.wait(SECONDS, until="comitted")  # type: ignore[arg-type]


def test_only_artifacts_are_linked_and_only_by_a_running_run(client: Client, name: str) -> None:
    version = client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS)
    not_linked = pytest.raises(InvalidRequest, match=r"^artifact must be an Artifact.*use_artifact")
    with artifactd.init() as run, not_linked:
        run.link_artifact(version.name, f"linked-{name}"[:128])  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="the run is finished"):
        run.link_artifact(version, f"linked-{name}"[:128])


@pytest.mark.parametrize("inside", ["", "below"])
def test_a_root_that_can_be_no_directory_is_refused_by_its_path(
    inside: str, client: Client, name: str, tmp_path: Path
) -> None:
    version = client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS)
    (tmp_path / "file").write_bytes(b"mine")
    root = tmp_path / "file" / inside
    for bring in (version.download, version.checkout, version.file):
        with pytest.raises(InvalidRequest, match=r"/file.*: it is not a directory"):
            bring(root)
    with pytest.raises(InvalidRequest, match=r"^/proc/x: it cannot be made"):
        version.download("/proc/x")
    assert (tmp_path / "file").read_bytes() == b"mine"
