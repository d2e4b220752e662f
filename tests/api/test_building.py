"""What an artifact holds once it came back: every way to add files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from api.support import SECONDS, files_below, made_of
from artifactd.client import Artifact, Client, EntryNotFound

BIG = 3 << 20


def tree(root: Path) -> Path:
    """A directory with a big file, an empty one, and links to a file and to a directory outside."""
    (root / "tree" / "deep" / "er").mkdir(parents=True)
    (root / "tree" / "big").write_bytes(os.urandom(BIG))
    (root / "tree" / "deep" / "empty").touch()
    (root / "tree" / "deep" / "er" / "small").write_bytes(b"small")
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "far").write_bytes(b"far away")
    (root / "tree" / "link").symlink_to(root / "elsewhere" / "far")
    (root / "tree" / "linked").symlink_to(root / "elsewhere")
    return root / "tree"


def came_back(client: Client, artifact: Artifact, root: Path) -> dict[str, bytes]:
    """Log it, fetch it, and return what was fetched."""
    return files_below(client.log_artifact(artifact).wait(SECONDS).download(root / "back"))


@pytest.mark.parametrize("policy", ["mutable", "immutable", "move"])
def test_a_file_comes_back_whatever_the_policy(policy: Any, client: Client, name: str, tmp_path: Path) -> None:
    data = {"small": b"bytes", "big": os.urandom(BIG), "empty": b""}
    artifact = Artifact(name, "dataset")
    for path, content in data.items():
        (tmp_path / path).write_bytes(content)
        artifact.add_file(tmp_path / path, policy=policy)
    assert [(tmp_path / path).exists() for path in data] == [policy != "move"] * 3
    assert came_back(client, artifact, tmp_path) == data


@pytest.mark.parametrize("policy", ["mutable", "immutable"])
def test_a_directory_comes_back_below_its_prefix_with_what_links_lead_to(
    policy: Any, client: Client, name: str, tmp_path: Path
) -> None:
    source = tree(tmp_path)
    artifact = Artifact(name, "dataset")
    artifact.add_dir(source, policy=policy)
    artifact.add_dir(source / "deep", name="copies/./deep/", policy=policy)
    back = came_back(client, artifact, tmp_path)
    assert back == {
        "big": (source / "big").read_bytes(),
        "deep/empty": b"",
        "deep/er/small": b"small",
        "link": b"far away",
        "linked/far": b"far away",
        "copies/deep/empty": b"",
        "copies/deep/er/small": b"small",
    }


def test_the_content_at_the_moment_of_adding_is_logged(client: Client, name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    artifact = Artifact(name, "dataset")
    for number in range(3):
        path.write_bytes(b"%d" % number)
        artifact.add_file(path, f"copy{number}")
    path.unlink()
    assert came_back(client, artifact, tmp_path) == {f"copy{number}": b"%d" % number for number in range(3)}


def test_a_path_given_to_log_artifact_becomes_an_artifact(client: Client, name: str, tmp_path: Path) -> None:
    source = tree(tmp_path)
    logged = client.log_artifact(source, name=name, type="dataset").wait(SECONDS)
    assert files_below(logged.download(tmp_path / "back")) == files_below(source) | {"linked/far": b"far away"}
    (tmp_path / f"{name} copy").write_bytes(b"x")
    single = client.log_artifact(str(tmp_path / f"{name} copy")).wait(SECONDS)
    assert (single.name, single.type) == (f"{name}-copy:v0", "unspecified")
    assert list(single.entries) == [f"{name} copy"]


def test_written_files_come_back_as_text_and_as_bytes(client: Client, name: str, tmp_path: Path) -> None:
    artifact = Artifact(name, "dataset")
    with artifact.new_file("text", encoding="utf-16-le") as file:
        file.write("grüße")
    with artifact.new_file("deep/bytes", mode="xb") as file:
        file.write(os.urandom(BIG))
        file.seek(0)
        file.write(b"\0" * BIG)
    with artifact.new_file("text", mode="w", encoding="utf-8") as file:
        file.write("grüße")
    back = came_back(client, artifact, tmp_path)
    assert back == {"text": "grüße".encode(), "deep/bytes": b"\0" * BIG}


def test_an_exception_while_writing_drops_the_entry(client: Client, name: str, tmp_path: Path) -> None:
    artifact = made_of(name, {"kept": b"kept"})

    def write_half() -> None:
        with artifact.new_file("dropped") as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert list(artifact.entries) == ["kept"]
    assert came_back(client, artifact, tmp_path) == {"kept": b"kept"}


def test_the_same_name_takes_other_content_only_when_told(client: Client, name: str, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"one")
    other.write_bytes(b"other")
    artifact = Artifact(name, "dataset")
    artifact.add_file(one, "file")
    artifact.add_file(one, "file")
    with pytest.raises(ValueError, match=r"file: .*overwrite=True"):
        artifact.add_file(other, "file")
    with pytest.raises(ValueError, match="mode='w'"), artifact.new_file("file"):
        pass
    artifact.add_file(other, "file", overwrite=True)
    assert came_back(client, artifact, tmp_path) == {"file": b"other"}


def test_a_directory_added_again_needs_merge_for_changes_and_removes_nothing(
    client: Client, name: str, tmp_path: Path
) -> None:
    source = tree(tmp_path)
    artifact = made_of(name, {"other": b"stays"})
    artifact.add_dir(source)
    artifact.add_dir(source)
    (source / "deep" / "er" / "small").write_bytes(b"changed")
    (source / "deep" / "new").write_bytes(b"new")
    (source / "link").unlink()
    with pytest.raises(ValueError, match=r"deep/er/small: .*merge=True"):
        artifact.add_dir(source)
    assert "deep/new" not in artifact.entries
    artifact.add_dir(source, merge=True)
    back = came_back(client, artifact, tmp_path)
    assert (back["deep/er/small"], back["deep/new"], back["link"], back["other"]) == (
        b"changed",
        b"new",
        b"far away",
        b"stays",
    )


def test_removed_entries_do_not_come_back(client: Client, name: str, tmp_path: Path) -> None:
    artifact = made_of(name, {"a": b"a", "d/b": b"b", "d/c": b"c"})
    artifact.remove("d")
    with pytest.raises(EntryNotFound, match=f"{name}: the artifact has no entry 'd'"):
        artifact.remove("d")
    assert came_back(client, artifact, tmp_path) == {"a": b"a"}


def test_paths_of_any_script_and_twins_but_for_case_or_normalisation_are_kept_apart(
    client: Client, name: str, tmp_path: Path
) -> None:
    paths = [
        "Straße/日本語/🚲",
        "caf\u00e9",
        "cafe\u0301",
        "README",
        "readme",
        " spaces ",
        "-dash",
        "x" * 255,
        "ab:c",
    ]
    files = {path: path.encode() for path in paths}
    assert came_back(client, made_of(name, files), tmp_path) == files


METADATA = {"int": 10**1000, "float": 0.1, "deep": [{"ünï": "🚲", "none": None, "yes": True}], "empty": {}}


def test_metadata_comes_back_as_it_was_given(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {}, metadata=METADATA, description="a\n\tb")).wait(SECONDS)
    found = client.use_artifact(name)
    assert (found.metadata, found.description) == (METADATA, "a\n\tb")


def test_metadata_of_almost_a_mebibyte_is_taken(client: Client, name: str) -> None:
    metadata = {"text": "é" * ((1 << 19) - 10)}
    client.log_artifact(made_of(name, {}, metadata=metadata)).wait(SECONDS)
    assert client.use_artifact(name).metadata == metadata
