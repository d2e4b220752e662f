"""The digest of a draft is the one that its version will have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.support import SECONDS
from artifactd.client import Artifact, Client, FileChanged, InvalidRequest


def filled(name: str, directory: Path) -> Artifact:
    (directory / "small").write_bytes(b"small")
    (directory / "large").write_bytes(os.urandom(3 << 20))
    artifact = Artifact(name, "model")
    artifact.add_file(directory / "small")
    artifact.add_file(directory / "large", "d/copied")
    artifact.add_file(directory / "large", "d/in-place", policy="immutable")
    artifact.add_reference((directory / "small").as_uri(), "referred")
    with artifact.new_file("written") as file:
        file.write("text")
    return artifact


def test_it_is_that_of_the_version(client: Client, name: str, tmp_path: Path) -> None:
    artifact = filled(name, tmp_path)
    expected = artifact.digest
    version = client.log_artifact(artifact).wait(SECONDS)
    assert version.digest == expected

    draft = version.new_draft()
    assert draft.digest == expected
    draft.remove("small")
    changed = draft.digest
    assert changed != expected
    assert client.log_artifact(draft).wait(SECONDS).digest == changed


def test_it_knows_nothing_of_what_nobody_looked_up(client: Client, name: str) -> None:
    artifact = Artifact(name, "model")
    artifact.add_reference("http://127.0.0.1:9/file")
    with pytest.raises(InvalidRequest, match="looked this reference up"):
        _ = artifact.digest


def test_a_changed_file_is_noticed(client: Client, name: str, tmp_path: Path) -> None:
    artifact = filled(name, tmp_path)
    os.utime(tmp_path / "large", ns=(1, 1))
    with pytest.raises(FileChanged, match="in-place"):
        _ = artifact.digest
