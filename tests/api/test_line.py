"""The order of commits: one line per collection, `after=` across them, and what fails holds nobody back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from api.support import SECONDS, made_of, until_state
from artifactd.client import Artifact, ArtifactFailed, Client, FileChanged, InvalidRequest, LogHandle, WaitTimeout


def log_doomed(client: Client, name: str, directory: Path) -> LogHandle:
    """Log a file that was changed since, against the promise; call it while hashing is held."""
    path = directory / "doomed"
    path.write_bytes(b"before")
    artifact = Artifact(name, "dataset")
    artifact.add_file(path, policy="immutable")
    handle = client.log_artifact(artifact)
    path.write_bytes(b"afterwards")
    return handle


def waiting_for(client: Client, handle: LogHandle) -> object:
    return {item["id"]: item["waiting_for"] for item in client.status()["items"]}[handle.id]


def test_who_is_ready_first_waits_for_who_was_logged_first(
    held: AbstractContextManager[None], client: Client, name: str
) -> None:
    with held:
        first = client.log_artifact(made_of(name, {"file": b"0"}))
        second = client.log_artifact(made_of(name, {}))
        until_state(second, "ready")
        assert waiting_for(client, second) == f"the commit of {first.id}"
        with pytest.raises(WaitTimeout, match=f"it is ready, waiting for the commit of {first.id}"):
            second.wait(0)
        other = client.log_artifact(made_of(f"{name}.other", {}))
        assert other.wait(SECONDS).version == "v0"
        assert second.state == "ready"
    assert [first.wait(SECONDS).version, second.wait(SECONDS).version] == ["v0", "v1"]


def test_priority_changes_no_commit_order(held: AbstractContextManager[None], client: Client, name: str) -> None:
    with held:
        low = client.log_artifact(made_of(name, {"file": b"0"}), priority=-5)
        high = client.log_artifact(made_of(name, {}), priority=5)
        until_state(high, "ready")
    assert [low.wait(SECONDS).version, high.wait(SECONDS).version] == ["v0", "v1"]


@pytest.mark.parametrize("priority", [1_000_001, -1_000_001])
def test_a_priority_out_of_all_proportion_is_refused(priority: int, client: Client, name: str) -> None:
    with pytest.raises(ValueError, match="priority"):
        client.log_artifact(made_of(name, {}), priority=priority)


def test_after_waits_for_another_collection(held: AbstractContextManager[None], client: Client, name: str) -> None:
    with held:
        data = client.log_artifact(made_of(f"{name}.data", {"file": b"0"}))
        model = client.log_artifact(made_of(name, {}), after=data)
        until_state(model, "ready")
        assert waiting_for(client, model) == f"the commit of {data.id}"
    assert model.wait(SECONDS).version == "v0"
    assert data.state == "committed"


def test_after_what_is_committed_already_waits_for_nothing(client: Client, name: str) -> None:
    data = client.log_artifact(made_of(f"{name}.data", {"file": b"0"}))
    data.wait(SECONDS)
    assert client.log_artifact(made_of(name, {}), after=data).wait(SECONDS).version == "v0"


def test_a_failed_artifact_fails_who_comes_after_it_and_takes_no_number(
    held: AbstractContextManager[None], client: Client, name: str, tmp_path: Path
) -> None:
    with held:
        first = client.log_artifact(made_of(name, {"file": b"0"}))
        doomed = log_doomed(client, name, tmp_path)
        dependent = client.log_artifact(made_of(f"{name}.model", {}), after=doomed)
        grandchild = client.log_artifact(made_of(f"{name}.report", {}), after=dependent)
        behind = client.log_artifact(made_of(name, {"file": b"1"}))
    with pytest.raises(FileChanged) as changed:
        doomed.wait(SECONDS)
    assert changed.value.subject == "doomed"
    with pytest.raises(
        ArtifactFailed, match=rf"logged after a version of \S+/{name} \(submission {doomed.id}\), which was not"
    ):
        dependent.wait(SECONDS)
    with pytest.raises(
        ArtifactFailed, match=rf"logged after .*/{name}\.model \(submission {dependent.id}\), which was not"
    ):
        grandchild.wait(SECONDS)
    assert [first.wait(SECONDS).version, behind.wait(SECONDS).version] == ["v0", "v1"]


def test_after_what_has_failed_is_refused_at_once(
    held: AbstractContextManager[None], client: Client, name: str, tmp_path: Path
) -> None:
    with held:
        doomed = log_doomed(client, name, tmp_path)
    until_state(doomed, "failed")
    with pytest.raises(InvalidRequest, match=f"{doomed.id}.*failed"):
        client.log_artifact(made_of(f"{name}.model", {}), after=doomed)


def test_after_an_unknown_handle_is_refused(client: Client, name: str) -> None:
    with pytest.raises(InvalidRequest, match="does not know"):
        client.log_artifact(made_of(name, {}), after=client.handle("ab" * 16))


def test_a_failure_names_the_file_in_the_handle_and_in_the_status(
    held: AbstractContextManager[None], client: Client, name: str, tmp_path: Path
) -> None:
    with held:
        doomed = log_doomed(client, name, tmp_path)
    until_state(doomed, "failed")
    (item,) = [item for item in client.status()["items"] if item["id"] == doomed.id]
    assert item["state"] == "failed"
    assert item["address"].endswith(f"/{name}")
    assert "doomed: was changed" in item["error"]
