"""What an artifact under construction takes and refuses; nothing is sent for what it refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from drafted_files import contents
from fake_daemon import FakeDaemon

from artifactd.client import (
    Artifact,
    ArtifactFinalizedError,
    ArtifactNotLoggedError,
    Client,
    DaemonUnavailable,
    Entry,
    InvalidRequest,
)


def artifact(**options: Any) -> Artifact:
    return Artifact("model", "model", **options)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "a:b", "é", "x" * 129, "a\0", None, 3])
def test_bad_artifact_names_are_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="artifact name"):
        Artifact(name, "model")


@pytest.mark.parametrize("kind", ["job", "wandb-history", "", "a b", None])
def test_bad_types_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="artifact type"):
        Artifact("model", kind)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": float("nan")}, "'a'"),
        ({"a": [1, float("inf")]}, r"\[1\]"),
        ({"a": {1: 2}}, "key 1"),
        ({"a": "x\0"}, "NUL"),
        ({"a": "\ud800"}, "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        ({"a": object()}, "object"),
        ({"a": "x" * (1 << 20)}, "bytes as JSON"),
        ([1], "dict"),
    ],
)
def test_metadata_that_json_would_lose_is_refused_by_place(value: Any, where: str) -> None:
    with pytest.raises(InvalidRequest, match=where):
        artifact(metadata=value)


def test_metadata_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    with pytest.raises(InvalidRequest, match="itself"):
        artifact(metadata=loop)


def test_metadata_travels_unchanged(daemon: FakeDaemon, client: Client) -> None:
    made = artifact(metadata={"big": 10**40, "π": "é\\u0000", "none": None})
    made.metadata["epoch"] = 3
    client.log_artifact(made)
    big = "1" + "0" * 40
    assert daemon.submits()[0].metadata == f'{{"big":{big},"π":"é\\\\u0000","none":null,"epoch":3}}'


def test_metadata_made_bad_afterwards_is_refused_when_logged(daemon: FakeDaemon, client: Client) -> None:
    made = artifact(metadata={})
    made.metadata["loss"] = float("nan")
    with pytest.raises(InvalidRequest, match="loss"):
        client.log_artifact(made)
    assert daemon.submits() == []


@pytest.mark.parametrize(
    "name", ["", ".", "/abs", "../up", "a/../b", "C:/x", "a\\b", "a\0b", "a\nb", "x" * 256, "\ud800"]
)
def test_bad_entry_paths_are_refused(client: Client, file: Path, name: str) -> None:
    with pytest.raises(ValueError, match="entry path"):
        artifact().add_file(file, name)
    with pytest.raises(ValueError, match="entry path"), artifact().new_file(name):
        pass


def test_paths_are_brought_to_one_form(client: Client, file: Path) -> None:
    made = artifact()
    assert made.add_file(file, "./a//b/./c") == Entry("a/b/c", 12)
    assert made.add_file(str(file)) == Entry("weights.bin", 12)
    assert list(made.entries) == ["a/b/c", "weights.bin"]
    assert (made.size, made.file_count) == (24, 2)


def test_paths_that_differ_in_case_or_normalisation_are_two_entries(client: Client, file: Path) -> None:
    made = artifact()
    for name in ("a", "A", "\u00e9", "e\u0301"):
        made.add_file(file, name)
    assert made.file_count == 4


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b"), ("a", "a/b/c")])
def test_a_file_beside_files_below_it_is_refused(client: Client, file: Path, first: str, second: str) -> None:
    made = artifact()
    made.add_file(file, first)
    with pytest.raises(ValueError, match="both a file and a directory"):
        made.add_file(file, second)
    made.remove(first)
    made.add_file(file, second)


@pytest.mark.parametrize("policy", ["mutable", "immutable"])
@pytest.mark.parametrize("size", [10, 100_000])
def test_the_same_name_with_the_same_content_changes_nothing(
    client: Client, tmp_path: Path, policy: Any, size: int
) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"x" * size)
    two.write_bytes(b"x" * size)
    made = artifact()
    made.add_file(one, "f", policy=policy)
    assert made.add_file(two, "f") == Entry("f", size)
    two.write_bytes(b"y" * size)
    with pytest.raises(ValueError, match="overwrite"):
        made.add_file(two, "f")


@pytest.mark.parametrize("policy", ["mutable", "move"])
def test_overwrite_replaces_an_entry(daemon: FakeDaemon, client: Client, tmp_path: Path, policy: Any) -> None:
    made = artifact()
    for content in (b"1" * 100_000, b"2", b"3" * 100_000):
        (tmp_path / "f").write_bytes(content)
        made.add_file(tmp_path / "f", policy=policy, overwrite=True)
    client.log_artifact(made)
    (submit,) = daemon.submits()
    assert contents(daemon.spool, submit) == {"f": b"3" * 100_000}
    assert submit.size == 100_000
    big = [path for path in (daemon.spool / submit.id.hex()).iterdir() if path.stat().st_size == 100_000]
    assert len(big) == 1


def test_a_refused_move_leaves_the_file_where_it_is(client: Client, file: Path) -> None:
    made = artifact()
    with made.new_file("weights.bin") as other:
        other.write("something else")
    with pytest.raises(ValueError, match="other content"):
        made.add_file(file, policy="move")
    assert file.read_bytes() == b"old contents"


def test_new_file_keeps_an_existing_name_unless_told(client: Client) -> None:
    made = artifact()
    with made.new_file("a") as file:
        file.write("1")
    with pytest.raises(ValueError, match="added already"), made.new_file("a"):
        pass
    with made.new_file("a", "w") as file:
        file.write("22")
    assert made.entries == {"a": Entry("a", 2)}
    with pytest.raises(ValueError, match="mode"), made.new_file("b", "r"):
        pass


def test_a_directory_is_added_with_everything_that_links_lead_to(
    daemon: FakeDaemon, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "data/sub/deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_bytes(b"x")
    (tmp_path / "data/a").write_bytes(b"a")
    (tmp_path / "data/sub/deep/b").write_bytes(b"b")
    (tmp_path / "data/link").symlink_to("a")
    (tmp_path / "data/dir").symlink_to(tmp_path / "elsewhere")
    made = artifact()
    made.add_dir(tmp_path / "data", name="p")
    client.log_artifact(made)
    assert contents(daemon.spool, daemon.submits()[0]) == {
        "p/a": b"a",
        "p/link": b"a",
        "p/sub/deep/b": b"b",
        "p/dir/x": b"x",
    }


def test_links_that_lead_nowhere_or_in_circles_are_named(client: Client, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/up").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="back"):
        artifact().add_dir(tmp_path)
    (tmp_path / "sub/up").unlink()
    (tmp_path / "sub/gone").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"sub/gone.*nowhere"):
        artifact().add_dir(tmp_path)
    (tmp_path / "sub/gone").unlink()
    (tmp_path / "sub/self").symlink_to("self")
    with pytest.raises(ValueError, match="sub/self"):
        artifact().add_dir(tmp_path)


@pytest.mark.parametrize("name", ["file", "nothing"])
def test_what_is_not_a_directory_is_refused(client: Client, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ValueError, match="not a directory"):
        artifact().add_dir(tmp_path / name)


def test_names_that_are_not_utf8_are_refused(client: Client, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    with pytest.raises(ValueError, match="UTF-8"):
        artifact().add_dir(tmp_path)


def test_a_directory_with_a_changed_file_needs_merge_and_adds_nothing_without(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"1")
    made = artifact()
    made.add_dir(tmp_path)
    (tmp_path / "a").write_bytes(b"22")
    (tmp_path / "b").write_bytes(b"b")
    with pytest.raises(ValueError, match="merge"):
        made.add_dir(tmp_path)
    assert made.entries == {"a": Entry("a", 1)}
    made.add_dir(tmp_path, merge=True)
    assert made.entries == {"a": Entry("a", 2), "b": Entry("b", 1)}


def test_remove_drops_a_file_or_a_subtree(client: Client, file: Path) -> None:
    made = artifact()
    entry = made.add_file(file, "d/a")
    made.add_file(file, "d/e/b")
    made.add_file(file, "dd")
    made.remove(entry)
    made.remove("d")
    assert list(made.entries) == ["dd"]
    assert made.size == 12
    with pytest.raises(FileNotFoundError):
        made.remove("d")


def test_a_finalized_artifact_refuses_every_change(client: Client, file: Path) -> None:
    made = artifact()
    made.add_file(file)
    made.finalize()
    for change in (
        lambda: made.add_file(file),
        lambda: made.add_dir(file.parent),
        lambda: made.remove("weights.bin"),
        lambda: made.new_file("x").__enter__(),
        lambda: setattr(made, "description", "x"),
        lambda: setattr(made, "metadata", {}),
    ):
        with pytest.raises(ArtifactFinalizedError):
            change()


@pytest.mark.parametrize(
    "what", ["version", "aliases", "tags", "qualified_name", "entity", "project", "wait", "download"]
)
def test_reading_what_only_a_version_has_is_refused_before(what: str) -> None:
    def read() -> None:
        value = getattr(artifact(), what)
        if callable(value):
            value()

    with pytest.raises(ArtifactNotLoggedError, match=what):
        read()


def test_an_artifact_is_made_without_a_daemon_and_adds_nothing_without_one(home: Path, file: Path) -> None:
    with Client(home / "nobody.sock"):
        made = artifact()
        with pytest.raises(DaemonUnavailable):
            made.add_file(file)
        assert made.entries == {}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"aliases": ["v3"]}, "reserved"),
        ({"aliases": ["a/b"]}, "not allowed"),
        ({"aliases": 5}, "list"),
        ({"tags": {"best": 1}}, "list"),
        ({"tags": ["a:b"]}, "not allowed"),
    ],
)
def test_bad_labels_are_refused_before_anything_is_sent(
    daemon: FakeDaemon, client: Client, arguments: Any, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        client.log_artifact(artifact(), **arguments)
    assert daemon.received == []


def test_a_path_is_wrapped_into_an_artifact(daemon: FakeDaemon, client: Client, file: Path) -> None:
    client.log_artifact(file)
    client.log_artifact(str(file.parent), name="all", type="dataset", aliases=["best", "best"], tags=["t"])
    first, second = daemon.submits()
    assert (first.entity, first.project, first.name, first.type) == ("me", "bikes", "weights.bin", "unspecified")
    assert (second.name, second.type, second.aliases, second.tags) == ("all", "dataset", ("best",), ("t",))
    assert contents(daemon.spool, second) == contents(daemon.spool, first) == {"weights.bin": b"old contents"}
    with pytest.raises(ValueError, match="no such file"):
        client.log_artifact(file.with_name("gone"))


def test_logging_the_same_artifact_again_is_the_same_submission(daemon: FakeDaemon, client: Client) -> None:
    made = artifact()
    assert client.log_artifact(made) is client.log_artifact(made)
    assert len(daemon.submits()) == 1
    with pytest.raises(ArtifactFinalizedError):
        client.log_artifact(made, aliases=["best"])
