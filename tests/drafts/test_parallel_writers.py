"""Several writers make one version: what upserts and finishes promise each other."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, made_of, query
from artifactd.client import (
    Api,
    Artifact,
    ArtifactFailed,
    ArtifactFinalizedError,
    ArtifactNotFound,
    ArtifactNotLoggedError,
    Client,
    InvalidRequest,
)
from harness.daemon import DaemonProcess
from harness.processes import start_module


def contents(artifact: Artifact) -> dict[str, int | None]:
    return {path: entry.size for path, entry in artifact.entries.items()}


def test_a_finish_commits_everything_that_was_upserted_and_its_own_files(client: Client, name: str) -> None:
    client.upsert_artifact(made_of(name, {"a/1": b"1", "same": b"s"}), "d")
    client.upsert_artifact(made_of(name, {"a/2": b"22", "same": b"s"}), "d")
    with pytest.raises(ArtifactNotFound):
        client.version(name)
    version = client.finish_artifact(made_of(name, {"b": b"333"}), "d").wait(SECONDS)
    assert version.version == "v0"
    assert contents(version) == {"a/1": 1, "a/2": 2, "b": 3, "same": 1}
    assert (version.file_count, version.size) == (4, 7)


def test_a_finish_without_files_of_its_own_commits_what_was_upserted(client: Client, name: str) -> None:
    client.upsert_artifact(made_of(name, {"a": b"1"}), "d")
    assert contents(client.finish_artifact(Artifact(name, "dataset"), "d").wait(SECONDS)) == {"a": 1}


def test_the_finished_version_has_the_digest_of_the_same_files_logged_at_once(client: Client, name: str) -> None:
    files = {f"é/{path}": path.encode() for path in ("a.txt", "a/b", "ab", "Z", "ÿ", "\U0001f600")}
    for path, data in files.items():
        client.upsert_artifact(made_of(name, {path: data}), "d")
    version = client.finish_artifact(Artifact(name, "dataset"), "d").wait(SECONDS)
    assert version.digest == client.log_artifact(made_of(name, files)).wait(SECONDS).digest
    assert version.version == "v0"


def test_forked_writers_and_whole_programs_upsert_at_once_and_lose_nothing(
    daemon: DaemonProcess, client: Client, name: str
) -> None:
    environ = {
        "ARTIFACTD_SOCKET": str(daemon.socket),
        "ARTIFACTD_ENTITY": client.scope.entity,
        "ARTIFACTD_PROJECT": client.scope.project,
    }
    programs = [
        start_module(
            "drafts.writers",
            name,
            str(program),
            "3",
            "4",
            environ=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for program in range(3)
    ]
    assert [program.wait(60) for program in programs] == [0, 0, 0]
    version = client.finish_artifact(Artifact(name, "dataset"), "together").wait(SECONDS)
    expected = {f"{program}/{process}/{n}" for program in range(3) for process in range(3) for n in range(4)}
    assert set(version.entries) == {*expected, "common"}


def test_other_contents_at_one_path_fail_naming_the_path_and_both_writers(client: Client, name: str) -> None:
    with artifactd.init(id=f"{name[:50]}-1") as first:
        artifactd.upsert_artifact(made_of(name, {"x": b"1", "dir/file": b"1"}), "d")
    with artifactd.init(id=f"{name[:50]}-2") as second:
        with pytest.raises(ArtifactFailed) as caught:
            artifactd.upsert_artifact(made_of(name, {"dir/file": b"2"}), "d")
        assert caught.value.subject == "dir/file"
        assert f"run {first.id} " in caught.value.message
        assert f"run {second.id} " in caught.value.message
        handle = artifactd.finish_artifact(made_of(name, {"x": b"2"}), "d")
        with pytest.raises(ArtifactFailed, match="other contents"):
            handle.wait(SECONDS)
        second._pending.clear()
    client.upsert_artifact(made_of(name, {"y": b"3"}), "d")
    version = client.finish_artifact(Artifact(name, "dataset"), "d").wait(SECONDS)
    assert contents(version) == {"x": 1, "dir/file": 1, "y": 1}


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b"), ("a", "a/b/c")])
def test_a_file_where_another_writer_has_a_directory_is_a_conflict(
    client: Client, name: str, first: str, second: str
) -> None:
    client.upsert_artifact(made_of(name, {first: b"", "a.txt": b""}), "d")
    with pytest.raises(ArtifactFailed, match="a directory"):
        client.upsert_artifact(made_of(name, {second: b""}), "d")


def test_who_comes_after_the_finish_is_told_the_version_and_to_use_another_id(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"old": b""})).wait(SECONDS)
    client.finish_artifact(made_of(name, {"a": b"1"}), "d").wait(SECONDS)
    for call in (client.upsert_artifact, lambda *given: client.finish_artifact(*given).wait(SECONDS)):
        with pytest.raises(ArtifactFailed, match=r"'d'.*v1.*another distributed_id"):
            call(made_of(name, {"b": b"2"}), "d")
    client.upsert_artifact(made_of(name, {"b": b"2"}), "e")
    assert client.finish_artifact(Artifact(name, "dataset"), "e").wait(SECONDS).version == "v2"


def test_drafts_of_other_ids_and_collections_know_nothing_of_each_other(client: Client, name: str) -> None:
    for collection, draft in ((name, "1"), (name, "2"), (f"x{name}", "1")):
        client.upsert_artifact(made_of(collection, {"file": f"{collection}{draft}".encode()}), draft)
    for collection, draft in ((name, "2"), (f"x{name}", "1"), (name, "1")):
        version = client.finish_artifact(Artifact(collection, "dataset"), draft).wait(SECONDS)
        assert contents(version) == {"file": len(f"{collection}{draft}")}


def test_upserting_and_finishing_the_same_artifact_again_is_the_same_part(client: Client, name: str) -> None:
    part = made_of(name, {"a": b"1"})
    for _ in range(3):
        assert client.upsert_artifact(part, "d", aliases=["x"]) is part
    last = made_of(name, {"b": b"1"})
    assert client.finish_artifact(last, "d").id == client.finish_artifact(last, "d").id
    assert last.wait(SECONDS).version == "v0"
    for again in (client.log_artifact, lambda it: client.upsert_artifact(it, "other")):
        with pytest.raises(ArtifactFinalizedError):
            again(part)


def test_the_group_of_the_run_is_the_default_id(client: Client, name: str) -> None:
    with artifactd.init(group="night-7"):
        artifactd.upsert_artifact(made_of(name, {"a": b"1"}))
    with artifactd.init(group="night-7") as run:
        handle = run.finish_artifact(made_of(name, {"b": b"2"}))
    assert contents(handle.wait(SECONDS)) == {"a": 1, "b": 1}


def test_without_an_id_and_a_group_nothing_is_sent(client: Client, name: str) -> None:
    artifact = made_of(name, {"a": b"1"})
    for call in (client.upsert_artifact, client.finish_artifact):
        with pytest.raises(TypeError, match="distributed_id"):
            call(artifact)
    with artifactd.init() as run, pytest.raises(TypeError, match="group"):
        run.upsert_artifact(artifact)
    assert artifact.state == "draft"


@pytest.mark.parametrize("id", ["", "a/b", "a b", "..", "x" * 129])
def test_an_id_must_be_a_name(client: Client, name: str, id: str) -> None:
    with pytest.raises(InvalidRequest, match="distributed id"):
        client.upsert_artifact(made_of(name, {}), id)


def test_a_path_is_wrapped_as_by_log_artifact(
    client: Client, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("files")
    (directory / "a").write_text("1")
    client.upsert_artifact(directory, "d", name=name, type="model")
    (directory / "b").write_text("22")
    version = client.finish_artifact(directory, "d", name=name, type="model", aliases=["best"]).wait(SECONDS)
    assert contents(version) == {"a": 1, "b": 2}
    assert version.type == "model"
    assert set(version.aliases) == {"best", "latest"}


def test_an_upserted_part_has_no_version_and_says_what_to_do(client: Client, name: str) -> None:
    part = client.upsert_artifact(made_of(name, {"a": b"1"}), "d")
    assert part.state == "committed"
    with pytest.raises(ArtifactNotLoggedError, match=r"part of the draft 'd'.*finish_artifact"):
        part.version  # noqa: B018
    assert part._handle is not None
    found = client.handle(part._handle.id)
    assert found.part_of == "d"
    found.wait(SECONDS)
    with pytest.raises(ArtifactNotLoggedError, match="finish_artifact"):
        found.digest  # noqa: B018


def test_a_part_of_another_type_is_refused(client: Client, name: str) -> None:
    client.upsert_artifact(made_of(name, {"a": b"1"}), "d")
    with pytest.raises(ArtifactFailed, match="'dataset', not 'model'"):
        client.upsert_artifact(made_of(name, {"b": b"1"}, type="model"), "d")
    client.log_artifact(made_of(name, {"c": b""}, type="other")).wait(SECONDS)
    with pytest.raises(ArtifactFailed, match="the collection holds artifacts of type 'other'"):
        client.finish_artifact(made_of(name, {}), "d").wait(SECONDS)
    with pytest.raises(ArtifactFailed, match="'other', not 'dataset'"):
        client.upsert_artifact(made_of(name, {}), "e")


def test_an_incremental_artifact_is_no_part(client: Client, name: str) -> None:
    with pytest.raises(InvalidRequest, match="incremental"):
        client.upsert_artifact(Artifact(name, "dataset", incremental=True), "d")


def test_the_version_has_the_texts_and_labels_of_all_parts_the_later_winning(client: Client, name: str) -> None:
    first = made_of(name, {"a": b"1"}, description="first", metadata={"n": 1, "first": 10**40, "list": [1.5]})
    first.ttl = timedelta(days=1)
    second = made_of(name, {"b": b"1"}, description="second", metadata={"n": 2, "second": {"x": None}})
    client.upsert_artifact(first, "d", aliases=["one", "best"])
    client.upsert_artifact(second, "d", aliases=["two"])
    last = Artifact(name, "dataset", metadata={"n": 3})
    version = client.finish_artifact(last, "d", aliases=["best"]).wait(SECONDS)
    seen = client.version(name)
    assert json.loads(seen.metadata) == {"n": 3, "first": 10**40, "list": [1.5], "second": {"x": None}}
    assert version.description == "second"
    assert version.ttl == first.ttl
    assert set(version.aliases) == {"one", "two", "best", "latest"}


def test_more_labels_than_one_version_may_have_fail_the_finish_and_leave_the_draft_open(
    client: Client, name: str
) -> None:
    client.upsert_artifact(made_of(name, {"a": b"1"}), "d", aliases=[f"a{n}" for n in range(60)])
    finish = client.finish_artifact(Artifact(name, "dataset"), "d", aliases=[f"b{n}" for n in range(60)])
    with pytest.raises(ArtifactFailed, match="100 aliases"):
        finish.wait(SECONDS)
    assert client.finish_artifact(Artifact(name, "dataset"), "d").wait(SECONDS).version == "v0"


def test_metadata_that_only_together_is_too_much_fails_the_finish(client: Client, name: str) -> None:
    for n in range(2):
        client.upsert_artifact(made_of(name, {}, metadata={f"k{n}": "x" * 600_000}), "d")
    with pytest.raises(ArtifactFailed, match="1048576 bytes of metadata"):
        client.finish_artifact(Artifact(name, "dataset"), "d").wait(SECONDS)


def test_the_version_is_logged_by_the_run_of_the_finish_and_an_output_of_every_run(
    client: Client, name: str
) -> None:
    runs = []
    for part in range(2):
        with artifactd.init(group="g") as run:
            run.upsert_artifact(made_of(name, {f"{part}": b"1"}))
            runs.append(run)
    with artifactd.init(group="g") as run:
        version = run.finish_artifact(Artifact(name, "dataset")).wait(SECONDS)
        runs.append(run)
    by = version.logged_by()
    assert by is not None
    assert by.id == runs[-1].id
    for run in runs:
        logged = Api().run(f"{run.entity}/{run.project}/{run.id}").logged_artifacts()
        assert [artifact.qualified_name for artifact in logged] == [version.qualified_name]


def test_a_finished_draft_leaves_no_entries_behind(daemon: DaemonProcess, client: Client, name: str) -> None:
    client.upsert_artifact(made_of(name, {"a/b": b"1"}, metadata={"k": 1}), "d")
    rows = "FROM draft_entries JOIN drafts ON drafts.id = draft_id WHERE name = ?"
    assert query(daemon, f"SELECT count(*) {rows}", name) == [(2,)]
    client.finish_artifact(Artifact(name, "dataset"), "d").wait(SECONDS)
    assert query(daemon, f"SELECT count(*) {rows}", name) == [(0,)]
    parts = "SELECT metadata FROM draft_parts JOIN drafts ON drafts.id = draft_id WHERE name = ?"
    assert set(query(daemon, parts, name)) == {("{}",)}
    assert query(daemon, "SELECT state, number FROM drafts WHERE name = ?", name) == [("finished", 0)]
