"""`Api`: look-ups, lists that page lazily, and lineage in both directions."""

from __future__ import annotations

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, made_of
from artifactd.client import Api, ArtifactNotFound, Client, InvalidRequest


def log_many(client: Client, name: str, count: int) -> None:
    handles = [client.log_artifact(made_of(name, {}, metadata={"n": n}, type="model")) for n in range(1)]
    handles += [client.log_artifact(made_of(name, {"a": b"%d" % n}, type="model")) for n in range(1, count)]
    for handle in handles:
        handle.wait(SECONDS)


def test_versions_are_found_by_each_form_of_address(client: Client, name: str) -> None:
    log_many(client, name, 2)
    scope = client.scope
    for address in (
        name,
        f"{name}:v1",
        f"{scope.project}/{name}:latest",
        f"{scope.entity}/{scope.project}/{name}",
    ):
        assert Api().artifact(address, type="model").version == "v1"
    elsewhere = Api(overrides={"entity": "nobody", "project": "nothing"})
    assert elsewhere.artifact(f"{scope.entity}/{scope.project}/{name}").version == "v1"
    with pytest.raises(ArtifactNotFound, match="nothing was logged to nobody/nothing"):
        elsewhere.artifact(name)
    with pytest.raises(InvalidRequest, match="'model', not 'dataset'"):
        Api().artifact(name, type="dataset")


def test_whether_something_exists_is_told_without_an_error(client: Client, name: str) -> None:
    log_many(client, name, 1)
    api = Api()
    assert api.artifact_exists(name)
    assert api.artifact_exists(f"{name}:v0", type="model")
    assert not api.artifact_exists(f"{name}:v1")
    assert not api.artifact_exists(name, type="dataset")
    assert not api.artifact_exists(f"no/such/{name}")
    assert api.artifact_collection_exists(name, "model")
    assert not api.artifact_collection_exists(name, "dataset")
    with pytest.raises(InvalidRequest):
        api.artifact_exists("a/b/c/d")


def test_versions_come_newest_first_in_pages_as_far_as_they_are_looked_at(client: Client, name: str) -> None:
    log_many(client, name, 7)
    versions = Api().artifacts("model", name, per_page=2)
    assert len(versions) == 7
    assert versions[0].version == "v6"
    assert repr(versions) == "<Pages: 2 fetched, and more>"
    assert versions[3].version == "v3"
    assert [item.version for item in versions[2:5]] == ["v4", "v3", "v2"]
    assert versions[-1].version == "v0"
    assert [item.version for item in versions] == [f"v{n}" for n in range(6, -1, -1)]
    assert [item.version for item in Api().artifact_versions("model", name)][:2] == ["v6", "v5"]
    with pytest.raises(IndexError):
        versions[7]


def test_versions_of_another_type_or_of_nothing_are_an_error(client: Client, name: str) -> None:
    log_many(client, name, 1)
    with pytest.raises(InvalidRequest, match="'model', not 'dataset'"):
        list(Api().artifacts("dataset", name))
    with pytest.raises(ArtifactNotFound):
        list(Api().artifacts("model", f"{name}.no"))


def test_collections_and_types_of_a_project_are_listed(client: Client, name: str) -> None:
    with artifactd.init(project=name):
        for collection, type in (("b", "model"), ("a", "model"), ("c", "dataset")):
            artifactd.log_artifact(made_of(collection, {}, type=type))
    api = Api(overrides={"project": name})
    assert [type.name for type in api.artifact_types()] == ["dataset", "model"]
    assert [type.name for type in Api().artifact_types(f"{client.scope.entity}/{name}")] == ["dataset", "model"]
    assert [item.name for item in api.artifact_type("model").collections(per_page=1)] == ["a", "b"]
    assert [item.name for item in api.artifact_collections("dataset")] == ["c"]
    assert [item.name for item in Api().artifact_collections(name, "model")] == ["a", "b"]
    found = api.artifact_collection("model", "a")
    assert (found.entity, found.project, found.name, found.type) == (client.scope.entity, name, "a", "model")
    assert [item.name for item in found.versions()] == ["a:v0"]
    for missing in (lambda: api.artifact_collection("dataset", "a"), lambda: api.artifact_type("code")):
        with pytest.raises(ArtifactNotFound):
            missing()


def test_runs_are_listed_filtered_and_found_by_each_form_of_path(client: Client, name: str) -> None:
    for number, job_type in enumerate(["train", "eval", "train"]):
        run = artifactd.init(name, None, job_type, "sweep", f"run {number}", {"lr": number}, id=f"r{number}")
        run.finish(exit_code=int(number == 2))
    api = Api(overrides={"project": name})
    assert [run.id for run in api.runs()] == ["r0", "r1", "r2"]
    assert [run.id for run in Api().runs(name, order="-created_at", per_page=1)] == ["r2", "r1", "r0"]
    assert [run.id for run in api.runs(filters={"jobType": "train", "state": "finished"})] == ["r0"]
    assert [run.id for run in api.runs(filters={"group": "sweep", "display_name": "run 1"})] == ["r1"]
    assert len(api.runs(filters={"job_type": "train"})) == 2
    for path in ("r1", f"{name}/r1", f"{client.scope.entity}/{name}/r1", f"{client.scope.entity}/{name}/runs/r1"):
        found = api.run(path)
        assert (found.id, found.name, found.job_type, found.group) == ("r1", "run 1", "eval", "sweep")
        assert (found.config, found.state, found.project) == ({"lr": 1}, "finished", name)
        assert found.ended_at is not None
        assert found.created_at == found.started_at <= found.ended_at
    with pytest.raises(ArtifactNotFound, match="no such run"):
        api.run("r7")
    assert [run.id for run in api.runs(filters={"$or": [{"config.lr": {"$gte": 2}}, {"name": "run 0"}]})] == [
        "r0",
        "r2",
    ]
    assert [run.id for run in api.runs(filters={"config.lr": {"$in": [1, 2]}}, per_page=1)] == ["r1", "r2"]
    for filters in ({"name": {"$regex": "^r"}}, {"state": ["finished"]}):
        with pytest.raises(InvalidRequest, match="filtered"):
            api.runs(filters=filters)
    with pytest.raises(InvalidRequest, match="order"):
        api.runs(order="name")


def test_lineage_is_read_from_either_side(client: Client, name: str) -> None:
    with artifactd.init(id=f"{name}.maker"[-100:]) as maker:
        for number in range(3):
            maker.log_artifact(made_of(name, {"a": b"%d" % number}))
        maker.log_artifact(made_of(f"{name}.other", {}))
    with artifactd.init() as user:
        for number in (2, 0):
            user.use_artifact(f"{name}:v{number}")
        made = [f"{name}.other:v0", f"{name}:v0", f"{name}:v1", f"{name}:v2"]
        assert [item.name for item in user.used_artifacts()] == [f"{name}:v0", f"{name}:v2"]
        assert len(user.logged_artifacts()) == 0
    found = Api().run(maker.id)
    for run in (maker, found):
        assert sorted(item.name for item in run.logged_artifacts(per_page=2)) == made
        assert len(run.used_artifacts()) == 0
    used, unused = Api().artifact(f"{name}:v2"), Api().artifact(f"{name}:v1")
    assert [run.id for run in used.used_by()] == [user.id]
    assert len(unused.used_by()) == 0
    producer = used.logged_by()
    assert producer is not None
    assert (producer.id, producer.state) == (maker.id, "finished")


def test_what_was_logged_without_a_run_has_no_producer(client: Client, name: str) -> None:
    log_many(client, name, 1)
    assert Api().artifact(name).logged_by() is None


def test_looking_up_makes_no_input(client: Client, name: str) -> None:
    log_many(client, name, 1)
    with artifactd.init() as run:
        artifact = Api().artifact(name)
        list(Api().artifacts("model", name))
        assert len(run.used_artifacts()) == 0
        run.use_artifact(artifact)
        assert [item.name for item in run.used_artifacts()] == [f"{name}:v0"]


def test_an_unknown_override_is_refused(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="base_url"):
        Api(overrides={"base_url": "https://example.com"})


def test_an_api_may_have_a_timeout_and_a_client_of_its_own(client: Client, name: str) -> None:
    log_many(client, name, 1)
    assert Api(timeout=5).artifact(name).version == "v0"
    with Client(client.link.socket, project="another", entity="someone") as other:
        assert (Api(client=other).default_entity, Api(client=other).default_project) == ("someone", "another")
