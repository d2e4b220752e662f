"""Editing, deleting and linking committed versions, by one process and by several."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, made_of
from artifactd.client import (
    Api,
    Artifact,
    ArtifactNotFound,
    ArtifactNotLoggedError,
    Client,
    Conflict,
    Denied,
    InvalidRequest,
)
from harness.daemon import DaemonProcess
from harness.processes import start_module


def logged(client: Client, name: str, count: int = 1, **about: Any) -> list[Artifact]:
    handles = [client.log_artifact(made_of(name, {"a": b"%d" % n}, **about)) for n in range(count)]
    return [handle.wait(SECONDS) for handle in handles]


def edit_in_processes(
    daemon: DaemonProcess, client: Client, edits: Sequence[tuple[str, dict[str, Any]]]
) -> list[str]:
    """Each edit in a process of its own: all look, then they save one after the other. Gives what each said."""
    environ = {
        "ARTIFACTD_SOCKET": str(daemon.socket),
        "ARTIFACTD_ENTITY": client.scope.entity,
        "ARTIFACTD_PROJECT": client.scope.project,
    }
    editors = [
        start_module(
            "api.editors",
            address,
            json.dumps(change),
            environ=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for address, change in edits
    ]
    try:
        for editor in editors:
            assert editor.stdout is not None
            assert editor.stdout.readline() == b"ready\n"
        return [editor.communicate(b"go\n", timeout=SECONDS)[0].decode().strip() for editor in editors]
    finally:
        for editor in editors:
            editor.kill()
            editor.communicate()


def test_all_that_may_change_is_saved_and_seen_by_others(client: Client, name: str) -> None:
    (artifact,) = logged(client, name, description="old", metadata={"epoch": 1})
    artifact.description = "new"
    artifact.metadata["accuracy"] = 0.9
    artifact.aliases.append("best")
    artifact.aliases.remove("latest")
    artifact.tags = ["good"]
    artifact.ttl = 30
    artifact.save()
    for seen in (artifact, Api().artifact(f"{name}:best")):
        assert (seen.description, seen.metadata) == ("new", {"epoch": 1, "accuracy": 0.9})
        assert (seen.aliases, seen.tags, seen.ttl) == (["best"], ["good"], timedelta(days=30))
    with pytest.raises(ArtifactNotFound):
        Api().artifact(f"{name}:latest")


def test_aliases_can_be_assigned_and_what_is_not_saved_is_not_seen(client: Client, name: str) -> None:
    (artifact,) = logged(client, name)
    artifact.aliases = ["a", "b", "a"]
    assert Api().artifact(name).aliases == ["latest"]
    artifact.save()
    assert Api().artifact(f"{name}:v0").aliases == artifact.aliases == ["a", "b"]


def test_saving_nothing_new_disturbs_nobody(client: Client, name: str) -> None:
    (artifact,) = logged(client, name, metadata={"n": 1})
    other = Api().artifact(name)
    other.metadata = {"n": 2}
    other.save()
    artifact.save()
    assert Api().artifact(name).metadata == {"n": 2}


def test_processes_that_save_different_fields_both_hold(daemon: DaemonProcess, client: Client, name: str) -> None:
    logged(client, name)
    said = edit_in_processes(
        daemon,
        client,
        [
            (name, {"description": "one", "append": "a"}),
            (name, {"metadata": {"by": "two"}, "append": "b"}),
            (name, {"tags": ["t"], "append": "c"}),
        ],
    )
    assert said == ["saved"] * 3
    found = Api().artifact(name)
    assert (found.description, found.metadata, found.tags) == ("one", {"by": "two"}, ["t"])
    assert found.aliases == ["a", "b", "c", "latest"]


@pytest.mark.parametrize("field", ["description", "metadata", "ttl"])
def test_of_processes_that_save_the_same_field_one_gets_conflict_and_nothing_of_it_is_applied(
    daemon: DaemonProcess, client: Client, name: str, field: str
) -> None:
    values: dict[str, list[Any]] = {
        "description": ["one", "two"],
        "metadata": [{"by": 1}, {"by": 2}],
        "ttl": [1, 2],
    }
    logged(client, name)
    first, second = values[field]
    said = edit_in_processes(
        daemon, client, [(name, {field: first}), (name, {field: second, "tags": ["t"], "append": "a"})]
    )
    assert said == ["saved", "Conflict"]
    found = Api().artifact(name)
    assert getattr(found, field) == (timedelta(days=1) if field == "ttl" else first)
    assert (found.tags, found.aliases) == ([], ["latest"])


def test_of_processes_that_move_the_same_alias_one_gets_conflict(
    daemon: DaemonProcess, client: Client, name: str
) -> None:
    logged(client, name, 3)
    client.log_artifact(made_of(name, {"a": b"2"}), aliases=["best"]).wait(SECONDS)
    said = edit_in_processes(
        daemon, client, [(f"{name}:v0", {"append": "best"}), (f"{name}:v1", {"append": "best"})]
    )
    assert said == ["saved", "Conflict"]
    assert Api().artifact(f"{name}:best").version == "v0"


def test_after_a_conflict_the_edit_succeeds_on_a_fresh_look(client: Client, name: str) -> None:
    (artifact,) = logged(client, name)
    other = Api().artifact(name)
    other.description = "theirs"
    other.save()
    artifact.description = "mine"
    with pytest.raises(Conflict, match=r"description changed after this version was read .*earlier save"):
        artifact.save()
    assert artifact.description == "mine"
    again = Api().artifact(name)
    again.description = "mine"
    again.save()
    assert Api().artifact(name).description == "mine"


def test_what_is_changed_between_logging_and_the_commit_is_saved_once_it_is_committed(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    artifact = made_of(name, {"a": b""}, metadata={"n": 1})
    with held:
        client.log_artifact(artifact)
        artifact.metadata["n"] = 2
    artifact.save()
    other = Api().artifact(name)
    assert other.metadata == {"n": 2}
    other.metadata = {"n": 3}
    other.save()
    for description in ("one", "two"):
        artifact.description = description
        artifact.save()
    assert artifact.metadata == Api().artifact(name).metadata == {"n": 3}


def test_saving_a_draft_logs_it(client: Client, name: str) -> None:
    with artifactd.init() as run:
        artifact = made_of(name, {"a": b""})
        artifact.ttl = timedelta(hours=36)
        artifact.save()
        assert artifact.wait(SECONDS).version == "v0"
        assert [item.name for item in run.logged_artifacts()] == [f"{name}:v0"]
    assert Api().artifact(name).ttl == timedelta(hours=36)


@pytest.mark.parametrize("ttl", [0, -1, timedelta(seconds=-5), "30", 1.5, True])
def test_a_ttl_that_is_no_time_to_live_is_refused(client: Client, name: str, ttl: Any) -> None:
    with pytest.raises(ValueError, match="ttl"):
        made_of(name, {}).ttl = ttl


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("aliases", "best"),
        ("aliases", ["v3"]),
        ("aliases", ["a/b"]),
        ("tags", ["a:b"]),
        ("metadata", {"a": float("nan")}),
        ("description", 3),
    ],
)
def test_values_that_the_rules_refuse_are_refused(client: Client, name: str, field: str, value: Any) -> None:
    (artifact,) = logged(client, name)
    with pytest.raises(ValueError, match=r"alias|tag|metadata|description"):
        setattr(artifact, field, value)


@pytest.mark.parametrize("field", ["aliases", "tags"])
def test_labels_are_dropped_by_an_empty_list_only(client: Client, name: str, field: str) -> None:
    (artifact,) = logged(client, name)
    setattr(artifact, field, ["best"])
    for value in (None, "good"):
        with pytest.raises(InvalidRequest, match=f"not {value!r}"):
            setattr(artifact, field, value)
    assert getattr(artifact, field) == ["best"]
    setattr(artifact, field, [])
    assert getattr(artifact, field) == []


def test_an_alias_appended_against_the_rules_is_refused_when_it_is_saved(client: Client, name: str) -> None:
    (artifact,) = logged(client, name)
    artifact.aliases.append("v7")
    with pytest.raises(InvalidRequest, match="reserved"):
        artifact.save()


def test_a_draft_has_no_aliases_and_can_be_neither_deleted_nor_linked(name: str) -> None:
    artifact = made_of(name, {})
    for act in (lambda: artifact.aliases, artifact.delete, lambda: artifact.link("p"), artifact.used_by):
        with pytest.raises(ArtifactNotLoggedError):
            act()


def test_deleting_refuses_aliases_unless_told_and_the_version_is_gone_after(client: Client, name: str) -> None:
    old, new = logged(client, name, 2)
    old.delete()
    with pytest.raises(ValueError, match="latest"):
        new.delete()
    new.delete(delete_aliases=True)
    assert len(Api().artifacts("dataset", name)) == 0
    with pytest.raises(ArtifactNotFound, match="was deleted"):
        Api().artifact(f"{name}:v1")
    new.description = "x"
    with pytest.raises(ArtifactNotFound, match="was deleted"):
        new.save()
    assert logged(client, name)[0].version == "v2"


def test_a_link_shows_its_source_under_its_own_address_and_aliases(client: Client, name: str) -> None:
    with artifactd.init() as run:
        artifact = made_of(name, {"a": b"contents"}, metadata={"n": 1})
        link = run.link_artifact(artifact, f"registry/{name}.portfolio", aliases=["prod"])
        source = artifact.qualified_name
    assert link.qualified_name == f"{run.entity}/registry/{name}.portfolio:v0"
    found = Api().artifact(f"registry/{name}.portfolio:prod", type="dataset")
    assert (found.is_link, found.source_qualified_name, found.source_name) == (True, source, f"{name}:v0")
    assert (found.metadata, found.digest, found.aliases) == ({"n": 1}, artifact.digest, ["latest", "prod"])
    assert {entry.path for entry in found.entries.values()} == {"a"}
    producer = found.logged_by()
    assert producer is not None
    assert producer.id == run.id
    assert (artifact.is_link, artifact.source_qualified_name) == (False, source)


def test_linking_waits_for_what_is_on_its_way(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    artifact = made_of(name, {"a": b"1"})
    with ThreadPoolExecutor(1) as pool:
        with held:
            client.log_artifact(artifact)
            linked = pool.submit(artifact.link, f"to-{name}"[:128])
            with pytest.raises(TimeoutError):
                linked.result(0.2)
        assert linked.result(SECONDS).source_name == f"{name}:v0"


def test_an_edit_of_the_link_is_one_of_its_source_and_deleting_it_is_not(client: Client, name: str) -> None:
    (artifact,) = logged(client, name)
    link = artifact.link(f"registry/{name}")
    link.description = "by the link"
    link.save()
    assert Api().artifact(name).description == "by the link"
    link.delete(delete_aliases=True)
    assert not Api().artifact_exists(f"registry/{name}:v0")
    assert Api().artifact_exists(f"{name}:v0")


def test_a_link_is_refused_in_its_own_collection_with_an_alias_and_across_entities(
    client: Client, name: str
) -> None:
    (artifact,) = logged(client, name)
    with pytest.raises(InvalidRequest, match="own collection"):
        artifact.link(name)
    with pytest.raises(InvalidRequest, match="no alias"):
        artifact.link(f"registry/{name}:prod")
    with pytest.raises(Denied, match="another entity"):
        artifact.link(f"others/registry/{name}")
