"""A reply that is lost: the client asks again, and what was asked has happened once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api.support import SECONDS, made_of, query
from artifactd.client import Api, ArtifactNotFound, Client, Run
from artifactd.protocol.messages import (
    DeleteVersion,
    EditVersion,
    FinishRun,
    GetVersion,
    LinkVersion,
    Message,
    StartRun,
    Submit,
)
from harness.daemon import DaemonProcess
from harness.fixtures import short_directory
from harness.forgetful_proxy import ForgetfulProxy, forgetful_proxy


@pytest.fixture
def proxy(daemon: DaemonProcess) -> Iterator[ForgetfulProxy]:
    with short_directory() as directory, forgetful_proxy(directory / "lossy.sock", daemon.socket) as proxy:
        yield proxy


@pytest.fixture
def lossy(proxy: ForgetfulProxy, client: Client) -> Iterator[Client]:
    """A client that talks through the proxy."""
    with Client(proxy.path, entity=client.scope.entity, project=client.scope.project) as lossy:
        yield lossy


def asked_twice(proxy: ForgetfulProxy, kind: type[Message]) -> bool:
    """Whether the same request passed twice, and no other of its kind."""
    ids = [id for id, _ in proxy.asked[kind]]
    return len(ids) == 2 and ids[0] == ids[1]


def test_an_edit_is_made_once_and_is_no_conflict_with_itself(
    client: Client, lossy: Client, proxy: ForgetfulProxy, name: str
) -> None:
    client.log_artifact(made_of(name, {"a": b"1"}), aliases=["old"]).wait(SECONDS)
    client.log_artifact(made_of(name, {"a": b"2"}), aliases=["best"]).wait(SECONDS)
    artifact = Api(client=lossy).artifact(f"{name}:v0")
    before = client.version(f"{name}:v0").revision
    artifact.description = "mine"
    artifact.metadata["epoch"] = 1
    artifact.ttl = 7
    artifact.aliases = ["best", "new"]
    artifact.tags.append("t")
    proxy.lose(EditVersion)
    artifact.save()
    assert asked_twice(proxy, EditVersion)
    saved = client.version(f"{name}:v0")
    assert (saved.description, saved.metadata, saved.aliases, saved.tags) == (
        "mine",
        '{"epoch":1}',
        ("best", "new"),
        ("t",),
    )
    assert saved.revision == before + 1
    artifact.description = "again"
    artifact.save()
    assert client.version(f"{name}:v0").description == "again"


def test_a_deletion_happens_once(client: Client, lossy: Client, proxy: ForgetfulProxy, name: str) -> None:
    client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS)
    proxy.lose(DeleteVersion)
    Api(client=lossy).artifact(name).delete(delete_aliases=True)
    assert asked_twice(proxy, DeleteVersion)
    with pytest.raises(ArtifactNotFound, match="deleted"):
        client.version(f"{name}:v0")
    assert client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS).version == "v1"


def test_a_link_is_made_once(client: Client, lossy: Client, proxy: ForgetfulProxy, name: str) -> None:
    client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS)
    with Run(lossy) as run:
        proxy.lose(LinkVersion)
        link = run.link_artifact(Api(client=lossy).artifact(name), f"{name[-100:]}.shown", aliases=["prod"])
    assert asked_twice(proxy, LinkVersion)
    assert (link.version, sorted(link.aliases)) == ("v0", ["latest", "prod"])
    assert [version.version for version in client.versions(f"{name[-100:]}.shown")] == [0]


def test_a_run_starts_once_and_ends_once(
    daemon: DaemonProcess, lossy: Client, proxy: ForgetfulProxy, name: str
) -> None:
    def times() -> list[tuple[Any, ...]]:
        return query(daemon, "SELECT state, started_at, ended_at FROM runs WHERE id = ?", name[-100:])

    proxy.lose(StartRun)
    run = Run(lossy, id=name[-100:])
    assert asked_twice(proxy, StartRun)
    ((state, started, _),) = times()
    assert state == "running"
    assert started < proxy.asked[StartRun][1][1]
    proxy.lose(FinishRun)
    run.finish()
    assert asked_twice(proxy, FinishRun)
    ((state, _, ended),) = times()
    assert state == "finished"
    assert ended < proxy.asked[FinishRun][1][1]


def test_a_use_is_recorded_once(client: Client, lossy: Client, proxy: ForgetfulProxy, name: str) -> None:
    client.log_artifact(made_of(name, {"a": b"1"})).wait(SECONDS)
    with Run(lossy) as run:
        proxy.lose(GetVersion)
        assert run.use_artifact(name).version == "v0"
        assert asked_twice(proxy, GetVersion)
        assert [item.name for item in run.used_artifacts()] == [f"{name}:v0"]


@pytest.mark.parametrize("how", ["log", "use"])
def test_a_submission_is_taken_once(
    client: Client, lossy: Client, proxy: ForgetfulProxy, name: str, how: str
) -> None:
    with Run(lossy) as run:
        proxy.lose(Submit)
        artifact = made_of(name, {"a": b"1"})
        if how == "use":
            run.use_artifact(artifact, aliases=["best"])
        else:
            run.log_artifact(artifact, aliases=["best"]).wait(SECONDS)
        assert asked_twice(proxy, Submit)
        assert (len(run.used_artifacts()), len(run.logged_artifacts())) == ((1, 0) if how == "use" else (0, 1))
    (version,) = client.versions(name)
    assert version.aliases == ("best", "latest")
