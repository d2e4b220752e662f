"""What makes a new version, how aliases move, and what a collection is for life."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, files_below, made_of
from artifactd.client import Artifact, ArtifactFailed, ArtifactNotFound, Client, InvalidRequest


def aliases(client: Client, name: str) -> dict[int, set[str]]:
    return {version.version: set(version.aliases) for version in client.versions(name)}


def test_different_contents_are_numbered_without_gaps(client: Client, name: str) -> None:
    handles = [client.log_artifact(made_of(name, {"file": b"%d" % number})) for number in range(5)]
    assert [handle.wait(SECONDS).version for handle in handles] == [f"v{number}" for number in range(5)]
    assert [version.version for version in client.versions(name)] == [4, 3, 2, 1, 0]


def test_equal_contents_are_the_newest_version_again_and_move_its_aliases(client: Client, name: str) -> None:
    first = client.log_artifact(made_of(name, {"a": b"1", "b/c": b"2"})).wait(SECONDS)
    again = client.log_artifact(made_of(name, {"b/c": b"2", "a": b"1"}), aliases=["best"]).wait(SECONDS)
    assert (first.version, again.version) == ("v0", "v0")
    assert first.digest == again.digest
    assert aliases(client, name) == {0: {"best", "latest"}}


def test_the_same_bytes_under_another_path_are_a_new_version(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"a": b"same"}))
    assert client.log_artifact(made_of(name, {"b": b"same"})).wait(SECONDS).version == "v1"


def test_contents_are_compared_with_the_newest_version_only(client: Client, name: str) -> None:
    for data in (b"old", b"new"):
        client.log_artifact(made_of(name, {"file": data}))
    assert client.log_artifact(made_of(name, {"file": b"old"})).wait(SECONDS).version == "v2"


@pytest.mark.parametrize(
    ("about", "tags", "ignored"),
    [
        ({"metadata": {"epoch": 2}}, ["kept"], "metadata"),
        ({"description": "other"}, ["kept"], "description"),
        ({}, ["other"], "tags"),
    ],
)
def test_a_version_keeps_what_is_said_of_it_and_a_warning_names_what_was_ignored(
    about: dict[str, Any], tags: list[str], ignored: str, client: Client, name: str
) -> None:
    first = made_of(name, {"file": b""}, description="kept", metadata={"epoch": 1})
    client.log_artifact(first, tags=["kept"]).wait(SECONDS)
    handle = client.log_artifact(made_of(name, {"file": b""}, **about), tags=tags)
    with pytest.warns(UserWarning, match=f"v0, which keeps its {ignored};"):
        handle.wait(SECONDS)
    kept = client.use_artifact(name)
    assert (kept.description, kept.metadata, kept.tags) == ("kept", {"epoch": 1}, ["kept"])


@pytest.mark.parametrize("about", [{}, {"description": "d", "metadata": {"b": 2, "a": [1.5]}}])
def test_nothing_is_warned_of_when_what_is_given_is_the_same_or_nothing(
    about: dict[str, Any], client: Client, name: str
) -> None:
    first = made_of(name, {"file": b""}, description="d", metadata={"a": [1.5], "b": 2})
    client.log_artifact(first).wait(SECONDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert client.log_artifact(made_of(name, {"file": b""}, **about)).wait(SECONDS).version == "v0"


def test_latest_always_moves_and_other_aliases_only_when_asked(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"file": b"0"}), aliases=["best", "first"]).wait(SECONDS)
    client.log_artifact(made_of(name, {"file": b"1"})).wait(SECONDS)
    assert aliases(client, name) == {0: {"best", "first"}, 1: {"latest"}}
    client.log_artifact(made_of(name, {"file": b"2"}), aliases=["best"]).wait(SECONDS)
    assert aliases(client, name) == {0: {"first"}, 1: set(), 2: {"best", "latest"}}


def test_aliases_of_a_whole_line_end_at_the_last_that_asked(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    with held:
        for number in range(6):
            client.log_artifact(made_of(name, {"file": b"%d" % number}), aliases=["even"] * (1 - number % 2))
    client.use_artifact(made_of(name, {"file": b"5"}))
    assert aliases(client, name) == {0: set(), 1: set(), 2: set(), 3: set(), 4: {"even"}, 5: {"latest"}}


def test_a_failed_artifact_moves_no_alias(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"file": b"0"}), aliases=["best"]).wait(SECONDS)
    with pytest.raises(ArtifactFailed):
        client.log_artifact(made_of(name, {"file": b"1"}, type="model"), aliases=["best"]).wait(SECONDS)
    assert aliases(client, name) == {0: {"best", "latest"}}


def test_a_collection_has_one_type_for_life_and_a_mismatch_fails_alone(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"file": b"0"}))
    other = client.log_artifact(made_of(name, {"file": b"1"}, type="model"))
    behind = client.log_artifact(made_of(name, {"file": b"2"}))
    with pytest.raises(ArtifactFailed, match="'dataset', not 'model'"):
        other.wait(SECONDS)
    assert other.state == "failed"
    assert behind.wait(SECONDS).version == "v1"
    assert client.use_artifact(name).type == "dataset"


def test_one_name_in_two_projects_is_two_collections(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"file": b"0"})).wait(SECONDS)
    with Client(client.link.socket, project="elsewhere", entity=client.scope.entity) as other:
        handle = other.log_artifact(made_of(name, {"file": b"1"}, type="model"))
        assert handle.wait(SECONDS).qualified_name == f"{client.scope.entity}/elsewhere/{name}:v0"
        assert other.use_artifact(f"{client.scope.project}/{name}").type == "dataset"


def test_an_artifact_without_files_is_a_version(client: Client, name: str) -> None:
    artifact = client.log_artifact(made_of(name, {}, metadata={"note": "empty"})).wait(SECONDS)
    assert (artifact.version, artifact.size, artifact.file_count, artifact.entries) == ("v0", 0, 0, {})


def test_an_address_that_leads_nowhere_says_what_exists(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"file": b""}), aliases=["best"]).wait(SECONDS)
    with pytest.raises(ArtifactNotFound, match=f"{name}:worst.*best, latest, versions up to v0"):
        client.use_artifact(f"{name}:worst")
    with pytest.raises(ArtifactNotFound, match=name):
        client.use_artifact(f"{name}x")
    with pytest.raises(InvalidRequest, match="'dataset', not 'model'"):
        client.use_artifact(name, type="model")


def test_an_incremental_artifact_keeps_what_the_newest_version_has(
    client: Client, name: str, tmp_path: Path
) -> None:
    first = made_of(name, {"a": b"1", "d/b": b"2"}, incremental=True)
    assert client.log_artifact(first).wait(SECONDS).version == "v0"
    second = made_of(name, {"d/b": b"changed", "c": b"3"}, incremental=True)
    version = client.log_artifact(second).wait(SECONDS)
    assert version.version == "v1"
    assert files_below(version.download(tmp_path)) == {"a": b"1", "d/b": b"changed", "c": b"3"}


def test_an_incremental_artifact_without_changes_is_the_newest_version(client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS)
    again = client.log_artifact(Artifact(name, "dataset", incremental=True))
    assert again.wait(SECONDS).version == "v0"


def test_after_the_newest_was_deleted_the_same_contents_are_a_new_version(client: Client, name: str) -> None:
    for data in (b"0", b"1"):
        newest = client.log_artifact(made_of(name, {"file": data})).wait(SECONDS)
    newest.delete(delete_aliases=True)
    assert client.log_artifact(made_of(name, {"file": b"1"})).wait(SECONDS).version == "v2"
    assert aliases(client, name) == {0: set(), 2: {"latest"}}


def test_a_version_keeps_its_time_to_live_and_a_warning_says_so(client: Client, name: str) -> None:
    for ttl, warned in ((30, False), (30, False), (7, True)):
        artifact = made_of(name, {"file": b""})
        artifact.ttl = ttl
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert client.log_artifact(artifact).wait(SECONDS).ttl == timedelta(days=30)
        assert ["keeps its ttl" in str(warning.message) for warning in caught] == [True] * warned


def test_a_run_that_logs_what_is_there_has_logged_it_though_another_made_it(client: Client, name: str) -> None:
    for _ in range(2):
        with artifactd.init() as run:
            version = run.log_artifact(made_of(name, {"file": b""})).wait(SECONDS)
            assert [logged.name for logged in run.logged_artifacts()] == [f"{name}:v0"]
    maker = version.logged_by()
    assert maker is not None
    assert maker.id != run.id
