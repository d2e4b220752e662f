"""Drafts that start from a committed version: nothing moves but what changed, and nothing forged gets in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.support import SECONDS, files_below, made_of, uploaded_bytes
from artifactd.client import Artifact, ArtifactFailed, Client, InvalidRequest, _logging
from harness.daemon import DaemonProcess

FILES = {"a": b"one", "d/b": b"two", "d/c": os.urandom(100_000)}


@pytest.fixture
def first(client: Client, name: str) -> Artifact:
    artifact = made_of(name, FILES, description="about it", metadata={"k": [1]})
    return client.log_artifact(artifact).wait(SECONDS)


def test_a_draft_starts_with_all_that_the_version_has(client: Client, first: Artifact, tmp_path: Path) -> None:
    draft = first.new_draft()
    assert (draft.description, draft.metadata, draft.type) == ("about it", {"k": [1]}, "dataset")
    assert {path: entry.digest for path, entry in draft.entries.items()} == {
        path: entry.digest for path, entry in first.entries.items()
    }
    with draft.new_file("new", "xb") as file:
        file.write(b"three")
    draft.remove("d/b")
    before = uploaded_bytes(client)
    second = client.log_artifact(draft).wait(SECONDS)
    assert uploaded_bytes(client) - before < 2_000
    assert second.version == "v1"
    expected = {**FILES, "new": b"three"}
    del expected["d/b"]
    assert files_below(second.download(tmp_path)) == expected
    assert (second.size, second.file_count) == (100_008, 3)


def test_a_draft_without_changes_is_the_same_version(client: Client, first: Artifact) -> None:
    assert client.log_artifact(first.new_draft()).wait(SECONDS).version == "v0"


def test_the_same_content_changes_nothing_and_other_content_needs_overwrite(
    client: Client, first: Artifact, tmp_path: Path
) -> None:
    same, other = tmp_path / "same", tmp_path / "other"
    same.write_bytes(b"one")
    other.write_bytes(b"ONE")
    draft = first.new_draft()
    assert draft.add_file(same, "a").digest == first.entries["a"].digest
    with pytest.raises(InvalidRequest, match="other content"):
        draft.add_file(other, "a")
    draft.add_file(other, "a", overwrite=True)
    second = client.log_artifact(draft).wait(SECONDS)
    assert files_below(second.download(tmp_path / "root")) == {**FILES, "a": b"ONE"}


def test_entries_of_the_base_can_be_downloaded_from_the_draft(first: Artifact, tmp_path: Path) -> None:
    assert Path(first.new_draft().entries["d/b"].download(tmp_path)).read_bytes() == b"two"


def test_references_are_carried_over(client: Client, name: str, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"x")
    artifact = Artifact(name, "dataset")
    artifact.add_reference(local.as_uri())
    artifact.add_reference("weird://somewhere", name="w")
    version = client.log_artifact(artifact).wait(SECONDS)
    draft = version.new_draft()
    assert draft.entries["w"].ref == "weird://somewhere"
    draft.remove("w")
    second = client.log_artifact(draft).wait(SECONDS)
    assert {path: entry.ref for path, entry in second.entries.items()} == {"local": local.as_uri()}


def test_ten_thousand_entries_move_nothing(client: Client, name: str) -> None:
    files = {f"{number // 100}/{number}": b"%d" % number for number in range(10_000)}
    version = client.log_artifact(made_of(name, files)).wait(SECONDS)
    draft = version.new_draft()
    draft.remove("7/777")
    before = uploaded_bytes(client)
    second = client.log_artifact(draft).wait(SECONDS)
    manifest = 90 * 10_000
    assert uploaded_bytes(client) - before < manifest
    assert second.file_count == 9_999


def test_a_base_that_was_deleted_meanwhile_fails_the_artifact(client: Client, first: Artifact) -> None:
    draft = first.new_draft()
    first.delete(delete_aliases=True)
    with pytest.raises(ArtifactFailed, match=r"made from is gone.*deleted"):
        client.log_artifact(draft).wait(SECONDS)


def test_another_entitys_version_is_no_base(client: Client, first: Artifact) -> None:
    draft = first.new_draft()
    with Client(client.link.socket, entity="others") as other, pytest.raises(InvalidRequest, match="apart"):
        other.log_artifact(draft)


@pytest.mark.parametrize("forged", ["path", "size", "base"])
def test_what_the_base_does_not_have_is_refused(
    client: Client, first: Artifact, monkeypatch: pytest.MonkeyPatch, forged: str
) -> None:
    draft = first.new_draft()
    entry = draft._table.get("a")
    assert entry is not None
    if forged == "base":
        monkeypatch.setattr(_logging, "_base_in", lambda scope, artifact: None)
    else:
        draft._table.put(entry._replace(path="aa") if forged == "path" else entry._replace(size=4))
    with pytest.raises(ArtifactFailed, match=r"no such entry|names no base"):
        client.log_artifact(draft).wait(SECONDS)


@pytest.mark.usefixtures("restarted")
def test_a_draft_that_was_accepted_survives_a_kill(daemon: DaemonProcess, client: Client, first: Artifact) -> None:
    draft = first.new_draft()
    with draft.new_file("new", "xb") as file:
        file.write(b"three")
    handle = client.log_artifact(draft)
    daemon.kill()
    daemon.start()
    assert handle.wait(SECONDS).file_count == 4
