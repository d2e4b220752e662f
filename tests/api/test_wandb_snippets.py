"""What users of W&B Artifacts have written for years, with nothing changed but the import."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import artifactd.client as wandb
from api.support import SECONDS, files_below
from artifactd.client import Client


@pytest.fixture(autouse=True)
def workplace(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the data that the snippets mention."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bicycle-data.h5").write_bytes(b"frames")
    (tmp_path / "images").mkdir()
    for number in range(3):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"%d" % number)
    return tmp_path


def test_log_a_dataset_and_use_it(name: str) -> None:
    run = wandb.init(project=name, job_type="dataset-upload")
    artifact = wandb.Artifact("bike-dataset", type="dataset")
    artifact.add_file("bicycle-data.h5")
    artifact.add_dir("images", name="images")
    run.log_artifact(artifact)
    run.finish()

    run = wandb.init(project=name, job_type="train")
    artifact = run.use_artifact("bike-dataset:latest")
    artifact_dir = artifact.download()
    assert files_below(artifact_dir) == {
        "bicycle-data.h5": b"frames",
        "images/0.png": b"0",
        "images/1.png": b"1",
        "images/2.png": b"2",
    }
    run.finish()


def test_add_files_under_other_names(name: str) -> None:
    run = wandb.init(project=name, job_type="train")
    artifact = wandb.Artifact("bike-dataset", type="dataset")
    artifact.add_file("images/0.png")
    artifact.add_file("bicycle-data.h5", name="data/bikes.h5")
    artifact.add_dir("images")
    with artifact.new_file("hello.txt") as f:
        f.write("hello!")
    run.log_artifact(artifact)
    run.finish()
    paths = ["0.png", "1.png", "2.png", "data/bikes.h5", "hello.txt"]
    assert sorted(wandb.Api().artifact(f"{name}/bike-dataset:latest").entries) == paths


def test_name_the_version_that_is_best(name: str) -> None:
    run = wandb.init(project=name, job_type="train")
    artifact = wandb.Artifact("run-3nq3ctyy", type="model")
    artifact.add_file("bicycle-data.h5", name="model.h5")
    run.log_artifact(artifact, aliases=["latest", "best-ap50"])
    run.finish()

    run = wandb.init(project=name, job_type="inference")
    artifact = run.use_artifact("run-3nq3ctyy:best-ap50")
    assert artifact.aliases == ["best-ap50", "latest"]
    run.finish()


def test_download_one_file(name: str) -> None:
    with wandb.init(project=name) as run:
        run.log_artifact("images", name="bike-dataset", type="dataset")
    with wandb.init(project=name) as run:
        artifact = run.use_artifact("bike-dataset:latest")
        path = artifact.get_path("1.png").download()
        assert Path(path).read_bytes() == b"1"
        assert path == artifact.get_entry("1.png").download()


def test_use_an_artifact_of_another_project_and_by_its_whole_address(client: Client, name: str) -> None:
    with wandb.init(project=f"{name}-data") as run:
        run.log_artifact("bicycle-data.h5", name="bike-dataset", type="dataset", aliases=["good"])
    with wandb.init(project=name) as run:
        artifact = run.use_artifact(f"{name}-data/bike-dataset:good")
        assert run.use_artifact(f"{client.scope.entity}/{name}-data/bike-dataset:good").digest == artifact.digest
    with wandb.init(entity="my-entity", project=name) as run:
        artifact = run.use_artifact(f"{client.scope.entity}/{name}-data/bike-dataset:good")
        assert files_below(artifact.download()) == {"bicycle-data.h5": b"frames"}
        assert [used.qualified_name for used in run.used_artifacts()] == [artifact.qualified_name]


def test_use_a_dataset_that_was_not_logged(name: str) -> None:
    with wandb.init(project=name, job_type="train") as run:
        artifact = wandb.Artifact("bike-dataset", type="dataset")
        artifact.add_file("bicycle-data.h5")
        run.use_artifact(artifact)
        assert [used.name for used in run.used_artifacts()] == ["bike-dataset:v0"]


def test_download_without_a_run(client: Client, name: str) -> None:
    with wandb.init(project=name) as run:
        run.log_artifact("bicycle-data.h5", name="bikes", type="dataset", aliases=["alias"])
    api = wandb.Api()
    artifact = api.artifact(f"{client.scope.entity}/{name}/bikes:alias")
    assert files_below(artifact.download()) == {"bicycle-data.h5": b"frames"}
    assert list(artifact.used_by()) == []


def test_log_a_model_with_metadata_and_aliases(name: str) -> None:
    with wandb.init(project=name, job_type="train", config={"lr": 0.1}) as run:
        artifact = wandb.Artifact("detector", type="model", description="after 10 epochs", metadata={"ap50": 0.81})
        with artifact.new_file("model.txt", mode="w") as file:
            file.write("weights")
        run.log_artifact(artifact, aliases=["latest", "best-ap50"])
    assert wandb.Api().artifact(f"{name}/detector:best-ap50").metadata["ap50"] == 0.81


def test_log_then_wait_then_read_the_version(name: str) -> None:
    with wandb.init(project=name) as run:
        artifact = wandb.Artifact("model", type="model")
        artifact.add_file("bicycle-data.h5")
        run.log_artifact(artifact)
        artifact.wait()
        assert artifact.version == "v0"
        assert artifact.name == "model:v0"


def test_look_up_across_projects_without_a_run(client: Client, name: str) -> None:
    with wandb.init(project=name) as run:
        run.log_artifact("bicycle-data.h5", name="bikes", type="dataset")
    api = wandb.Api()
    artifact = api.artifact(f"{client.scope.entity}/{name}/bikes:latest")
    assert artifact.logged_by().id == run.id
    assert api.artifact_exists(f"{name}/bikes:v0")


def test_update_an_existing_version(name: str) -> None:
    with wandb.init(project=name) as run:
        run.log_artifact("bicycle-data.h5", name="bikes", type="dataset")
    api = wandb.Api(overrides={"project": name})

    artifact = api.artifact("bikes:latest")
    artifact.description = "My new description"
    artifact.metadata["oldKey"] = "new value"
    artifact.metadata = {"newKey": "newValue"}
    artifact.aliases.append("best")
    artifact.aliases.remove("latest")
    artifact.save()

    artifact = api.artifact("bikes:best")
    assert (artifact.description, artifact.metadata) == ("My new description", {"newKey": "newValue"})
    artifact.aliases = ["replaced"]
    artifact.save()
    assert api.artifact("bikes:v0").aliases == ["replaced"]


def test_delete_every_version_without_an_alias(name: str) -> None:
    with wandb.init(project=name) as run:
        for step in range(5):
            artifact = wandb.Artifact("model", type="model")
            with artifact.new_file("step") as file:
                file.write(str(step))
            run.log_artifact(artifact, aliases=["best"] if step == 2 else None)

    api = wandb.Api(overrides={"project": name})
    artifact_type, artifact_name = "model", "model"
    for version in api.artifact_versions(artifact_type, artifact_name):
        # Clean up all versions that don't have an alias such as 'latest'.
        if len(version.aliases) == 0:
            version.delete()

    assert [version.version for version in api.artifact_versions(artifact_type, artifact_name)] == ["v4", "v2"]


def test_delete_a_version_with_its_aliases(name: str) -> None:
    with wandb.init(project=name) as run:
        run.log_artifact("bicycle-data.h5", name="bikes", type="dataset")
    api = wandb.Api()
    artifact = api.artifact(f"{name}/bikes:v0")
    artifact.delete(delete_aliases=True)
    assert not api.artifact_exists(f"{name}/bikes:v0")


def test_walk_the_graph(name: str) -> None:
    with wandb.init(project=name, job_type="upload") as producer:
        producer.log_artifact("bicycle-data.h5", name="bikes", type="dataset")
    with wandb.init(project=name, job_type="train") as consumer:
        consumer.use_artifact("bikes:latest")
        consumer.log_artifact("images", name="predictions", type="predictions")

    api = wandb.Api()
    artifact = api.artifact(f"{name}/bikes:latest")
    producer_run = artifact.logged_by()
    consumer_runs = artifact.used_by()
    assert producer_run.job_type == "upload"
    assert [run.job_type for run in consumer_runs] == ["train"]

    logged_artifacts = consumer.logged_artifacts()
    used_artifacts = consumer.used_artifacts()
    assert ([item.name for item in logged_artifacts], [item.name for item in used_artifacts]) == (
        ["predictions:v0"],
        ["bikes:v0"],
    )

    run = api.run(f"{name}/{consumer.id}")
    assert [item.name for item in run.logged_artifacts()] == ["predictions:v0"]
    assert [item.name for item in run.used_artifacts()] == ["bikes:v0"]


def test_walk_types_collections_and_versions(client: Client, name: str) -> None:
    with wandb.init(project=name) as run:
        for number in range(2):
            run.log_artifact(f"images/{number}.png", name="image", type="dataset")
    found = [
        artifact.name
        for artifact_type in wandb.Api().artifact_types(f"{client.scope.entity}/{name}")
        for collection in artifact_type.collections()
        for artifact in collection.artifacts()
    ]
    assert found == ["image:v1", "image:v0"]


def test_link_to_a_registry(name: str) -> None:
    with wandb.init(project=name) as run:
        artifact = wandb.Artifact("detector", type="model")
        artifact.add_file("bicycle-data.h5")
        run.log_artifact(artifact)
        run.link_artifact(artifact, f"wandb-registry-model/{name}", aliases=["production"])
    linked = wandb.Api().artifact(f"wandb-registry-model/{name}:production")
    assert linked.source_name == "detector:v0"


def test_give_a_version_a_time_to_live(name: str) -> None:
    with wandb.init(project=name) as run:
        artifact = wandb.Artifact(name="bikes", type="dataset")
        artifact.add_file("bicycle-data.h5")
        artifact.ttl = timedelta(days=30)
        run.log_artifact(artifact).wait(SECONDS)

        artifact = run.use_artifact("bikes:latest")
        artifact.ttl = timedelta(days=365)
        artifact.save()
        assert artifact.ttl == timedelta(days=365)

        artifact.ttl = None
        artifact.save()
    assert wandb.Api().artifact(f"{name}/bikes:latest").ttl is None


def test_track_files_by_reference(name: str, workplace: Path) -> None:
    with wandb.init(project=name) as run:
        artifact = wandb.Artifact("bike-dataset", type="dataset")
        artifact.add_reference(f"file://{workplace}/images")
        artifact.add_reference(f"file://{workplace}/bicycle-data.h5", name="data/bikes.h5")
        run.log_artifact(artifact)
    with wandb.init(project=name) as run:
        artifact = run.use_artifact("bike-dataset:latest")
        assert sorted(artifact.entries) == ["0.png", "1.png", "2.png", "data/bikes.h5"]
        assert artifact.get_path("data/bikes.h5").ref_target() == f"file://{workplace}/bicycle-data.h5"
        assert files_below(artifact.download())["data/bikes.h5"] == b"frames"


def test_change_a_draft_of_a_version(name: str) -> None:
    with wandb.init(project=name) as run:
        run.log_artifact("images", name="my_artifact", type="dataset")
    with wandb.init(project=name, job_type="modify dataset") as run:
        saved_artifact = run.use_artifact("my_artifact:latest")
        draft_artifact = saved_artifact.new_draft()
        draft_artifact.add_file("bicycle-data.h5")
        draft_artifact.remove("0.png")
        run.log_artifact(draft_artifact)
    artifact = wandb.Api().artifact(f"{name}/my_artifact:v1")
    assert sorted(artifact.entries) == ["1.png", "2.png", "bicycle-data.h5"]


def test_write_one_version_from_parallel_runs(name: str) -> None:
    group_name = "writer-group-1"
    for i in range(3):
        with wandb.init(project=name, group=group_name, job_type="writer") as run:
            artifact = wandb.Artifact(name="distributed_artifact", type="dataset")
            artifact.add_file(f"images/{i}.png")
            run.upsert_artifact(artifact)
    with wandb.init(project=name, group=group_name, job_type="finisher") as run:
        artifact = wandb.Artifact(name="distributed_artifact", type="dataset")
        run.finish_artifact(artifact)
    artifact = wandb.Api().artifact(f"{name}/distributed_artifact:latest")
    assert (artifact.version, sorted(artifact.entries)) == ("v0", ["0.png", "1.png", "2.png"])


def test_parameters_go_by_their_other_names_as_well(name: str) -> None:
    with wandb.init(project=name) as run:
        artifact = wandb.Artifact(name="bikes", type="dataset")
        artifact.add_file(local_path="bicycle-data.h5", name="data.h5")
        artifact.add_dir(local_path="images", name="images")
        run.log_artifact(artifact_or_path=artifact).wait(SECONDS)
        used = run.use_artifact(artifact_or_name="bikes:latest", type="dataset")
        assert used.get_entry(name="data.h5").path == "data.h5"
        with pytest.raises(TypeError, match="both 'path' and 'local_path'"):
            wandb.Artifact("a", "b").add_file(path="images/0.png", local_path="images/0.png")


def test_a_part_stays_a_draft_and_what_finishes_it_is_a_version(name: str) -> None:
    with wandb.init(project=name, group="night-7") as run:
        part = wandb.Artifact("predictions", type="result")
        part.add_file("bicycle-data.h5")
        run.upsert_artifact(part)
        whole = wandb.Artifact("predictions", type="result")
        run.finish_artifact(whole).wait(SECONDS)
    assert (part.is_draft(), part.distributed_id) == (True, "night-7")
    assert (whole.is_draft(), whole.distributed_id) == (False, "night-7")


def test_log_in_and_link_from_the_module_with_a_run_and_without(name: str) -> None:
    assert wandb.login(key="not asked for", relogin=True)
    assert wandb.config is None
    with wandb.init(project=name, config={"lr": 0.1}) as run:
        assert wandb.config["lr"] == 0.1
        artifact = wandb.Artifact("bike-dataset", type="dataset")
        artifact.add_file("bicycle-data.h5")
        linked = wandb.link_artifact(artifact, f"{name}-registry/bikes", aliases=["staging"])
    assert run.url is None
    assert wandb.Api().run("/".join(wandb.Api().run(run.path).path)).id == run.id
    assert (linked.source_project, linked.source_version, linked.version) == (name, "v0", "v0")
    assert (linked.collection.project, linked.collection.name) == (f"{name}-registry", "bikes")
    assert (linked.source_collection.project, linked.source_collection.name) == (name, "bike-dataset")
    assert linked.source_entity == linked.entity
    assert set(linked.collection.aliases) == {"latest", "staging"}

    draft = wandb.Artifact("bike-dataset", type="dataset", incremental=True)
    draft.add_dir("images")
    assert (draft.is_draft(), draft.incremental, draft.distributed_id) == (True, True, None)
    again = wandb.link_artifact(draft, f"{name}-registry/bikes-without-run")
    assert (draft.is_draft(), again.source_name) == (False, draft.name)
    again.unlink()
    assert not wandb.Api().artifact_exists(f"{name}-registry/bikes-without-run:v0")
    with pytest.raises(ValueError, match="is no link"):
        draft.unlink()
    kind = wandb.Api().artifact_type("dataset", f"{name}-registry")
    assert kind.collection("bikes").artifacts()[0].version == "v0"
    with pytest.raises(wandb.ArtifactNotFound, match="bike"):
        kind.collection("bike")


def test_keywords_that_mean_nothing_here_are_taken_and_those_one_might_miss_are_named_once(name: str) -> None:
    with pytest.warns(UserWarning, match=r"init\(\) ignores tags, mode: see docs/from-wandb.md") as caught:
        run = wandb.init(project=name, tags=["a"], mode="offline", notes=None, reinit=True)
    assert [warning.filename for warning in caught] == [__file__]
    artifact = wandb.Artifact("bikes", "dataset", use_as=None)
    artifact.add_file("bicycle-data.h5", is_tmp=True, skip_cache=True)
    artifact.add_dir("images", name="images", skip_cache=True)
    run.log_artifact(artifact).wait(SECONDS)
    assert len(list(run.use_artifact("bikes:latest", use_as="data").files(per_page=10))) > 1
    with pytest.warns(UserWarning, match="allow_missing_references"):
        wandb.Api(api_key="k").artifact(f"{name}/bikes").download(multipart=True, allow_missing_references=True)
    run.finish(quiet=True)
    with pytest.raises(TypeError, match="tagz"):
        wandb.init(tagz=["a"])


def test_resume_says_whether_the_run_must_have_been_there(name: str) -> None:
    with pytest.raises(wandb.ArtifactNotFound, match=name):
        wandb.init(id=name, resume="must")
    with wandb.init(id=name, resume="never"):
        pass
    with pytest.raises(wandb.InvalidRequest, match="exists already"):
        wandb.init(id=name, resume="never")
    for resume in ("must", "allow", "auto", True, False, None):
        with wandb.init(id=name, resume=resume) as run:
            assert run.id == name
    with pytest.raises(wandb.InvalidRequest, match="needs the id"):
        wandb.init(resume="must")
    with pytest.raises(wandb.InvalidRequest, match="'alow'"):
        wandb.init(id=name, resume="alow")
