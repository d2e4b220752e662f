"""Runs, the functions of the package, and using artifacts: what the catalog records of who made and used what."""

from __future__ import annotations

import json
import os
import socket
from argparse import Namespace
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, made_of, query
from artifactd.client import ArtifactFailed, ArtifactNotFound, Client, InvalidRequest, LogHandle, Run, _defaults
from harness.daemon import DaemonProcess


def state_of(daemon: DaemonProcess, run: Run) -> str:
    ((state,),) = query(daemon, "SELECT state FROM runs WHERE id = ?", run.id)
    return str(state)


def inputs_of(daemon: DaemonProcess, run: Run) -> list[str]:
    """The versions that the run used, as `name:vN`."""
    rows = query(
        daemon,
        "SELECT name, number FROM run_inputs JOIN collections ON collections.id = collection_id "
        "WHERE run_inputs.entity = ? AND run_inputs.project = ? AND run = ? ORDER BY name, number",
        run.entity,
        run.project,
        run.id,
    )
    return [f"{name}:v{number}" for name, number in rows]


def test_a_run_is_recorded_with_what_is_known_of_it(daemon: DaemonProcess, name: str) -> None:
    with artifactd.init("bikes", "me", "train", "sweep", "first", {"lr": 0.1}, id=name) as run:
        assert artifactd.run is run
        (row,) = query(
            daemon,
            'SELECT entity, project, job_type, "group", name, config, host, pid, state FROM runs WHERE id = ?',
            name,
        )
        host, pid = socket.gethostname(), os.getpid()
        assert row == ("me", "bikes", "train", "sweep", "first", '{"lr":0.1}', host, pid, "running")
    assert state_of(daemon, run) == "finished"
    assert artifactd.run is None


def test_the_end_of_the_block_waits_for_what_was_logged(daemon: DaemonProcess, client: Client, name: str) -> None:
    with artifactd.init() as run:
        handles = [artifactd.log_artifact(made_of(name, {"a": b"%d" % number})) for number in range(3)]
        artifactd.finish()
        assert [handle.done() for handle in handles] == [True] * 3
    assert state_of(daemon, run) == "finished"
    assert {version.run for version in client.versions(name)} == {run.id}
    with pytest.raises(InvalidRequest, match="finished"):
        run.log_artifact(made_of(name, {}))


def test_a_block_that_raises_fails_the_run_and_what_it_logged_is_still_committed(
    daemon: DaemonProcess, held: AbstractContextManager[None], name: str
) -> None:
    handles: list[LogHandle] = []

    def train(run: Run) -> None:
        with run:
            handles.append(run.log_artifact(made_of(name, {"a": b""})))
            raise ZeroDivisionError

    run = artifactd.init()
    with held:
        with pytest.raises(ZeroDivisionError):
            train(run)
        (handle,) = handles
        assert state_of(daemon, run) == "failed"
        assert not handle.done()
    assert handle.wait(SECONDS).version == "v0"


def test_an_error_that_ends_the_block_names_the_artifacts_that_failed_too(client: Client, name: str) -> None:
    def train() -> None:
        with artifactd.init() as run:
            run.log_artifact(made_of(name, {})).wait(SECONDS)
            with pytest.raises(ArtifactFailed):
                run.log_artifact(made_of(name, {}, type="model")).wait(SECONDS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        train()
    (note,) = caught.value.__notes__
    assert note.startswith(f"artifactd: {name} was not committed: ")


def test_an_exit_code_fails_the_run(daemon: DaemonProcess) -> None:
    run = artifactd.init()
    run.finish(exit_code=3)
    assert state_of(daemon, run) == "failed"


def test_a_failed_artifact_is_raised_at_the_end_after_all_others(daemon: DaemonProcess, name: str) -> None:
    run = artifactd.init()
    run.log_artifact(made_of(name, {}))
    run.log_artifact(made_of(name, {}, type="model"))
    last = run.log_artifact(made_of(name, {"a": b""}))
    with pytest.raises(ArtifactFailed, match="type"):
        run.finish()
    assert last.version == "v1"
    assert state_of(daemon, run) == "finished"


def test_a_run_with_a_known_id_goes_on(daemon: DaemonProcess, name: str) -> None:
    with artifactd.init(id=name):
        pass
    with artifactd.init(id=name) as run:
        assert state_of(daemon, run) == "running"


def test_a_run_that_goes_on_knows_what_it_was_and_is_not_given_again(name: str) -> None:
    with artifactd.init("bikes", "me", "train", "sweep", "first", {"lr": 0.1, "layers": 3}, id=name):
        pass
    with artifactd.init("bikes", "me", config={"lr": 0.2}, id=name) as run:
        assert (run.name, run.job_type, run.group, run.config) == (
            "first",
            "train",
            "sweep",
            {"lr": 0.2, "layers": 3},
        )


def config_of(daemon: DaemonProcess, run: Run) -> object:
    ((config,),) = query(daemon, "SELECT config FROM runs WHERE id = ?", run.id)
    return json.loads(config)


def test_what_is_set_in_the_config_later_is_recorded_with_the_next_artifact_and_at_the_end(
    daemon: DaemonProcess, name: str
) -> None:
    with artifactd.init(config=Namespace(lr=0.1, path="a")) as run:
        run.config["layers"] = (1, 2)
        run.config.update({"path": "b"}, allow_val_change=True)
        run.config.setdefaults({"path": "c", "seed": 1})
        assert run.config == {"lr": 0.1, "path": "b", "layers": [1, 2], "seed": 1}
        assert config_of(daemon, run) == {"lr": 0.1, "path": "a"}
        run.log_artifact(made_of(name, {}))
        assert config_of(daemon, run) == run.config.as_dict()
        run.config.lr = 0.2
        assert (run.config.lr, hasattr(run.config, "missing")) == (0.2, False)
        with pytest.raises(InvalidRequest, match=r"config.*bad"):
            run.config.update({"good": 1, "bad": object()})
    assert config_of(daemon, run) == run.config == {"lr": 0.2, "path": "b", "layers": [1, 2], "seed": 1}


@pytest.mark.parametrize("config", ["settings.yaml", ["lr"], 5])
def test_a_config_that_is_no_mapping_is_refused(config: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"config must be a dict or an argparse\.Namespace"):
        artifactd.init(config=config)


def test_the_next_init_finishes_the_run_before(daemon: DaemonProcess) -> None:
    first = artifactd.init()
    with artifactd.init() as second:
        assert state_of(daemon, first) == "finished"
        assert artifactd.run is second


def test_without_a_run_a_version_has_no_producer(client: Client, name: str) -> None:
    artifactd.log_artifact(made_of(name, {})).wait(SECONDS)
    assert client.version(name).run is None
    assert artifactd.use_artifact(name).version == "v0"


def test_a_run_of_another_project_logs_there(client: Client, name: str) -> None:
    with artifactd.init(project="elsewhere") as run:
        handle = run.log_artifact(made_of(name, {"a": b""}))
        assert handle.wait(SECONDS).project == "elsewhere"
        assert run.use_artifact(name).project == "elsewhere"
    with pytest.raises(ArtifactNotFound):
        client.use_artifact(name)


def test_every_form_of_address_is_understood_and_recorded_as_input(
    daemon: DaemonProcess, client: Client, name: str
) -> None:
    for number, aliases in enumerate((["best"], [])):
        client.log_artifact(made_of(name, {"a": b"%d" % number}), aliases=aliases).wait(SECONDS)
    entity, project = client.scope.entity, client.scope.project
    expected = {
        name: "v1",
        f"{name}:latest": "v1",
        f"{name}:v0": "v0",
        f"{name}:best": "v0",
        f"{project}/{name}:v1": "v1",
        f"{project}/{name}": "v1",
        f"{entity}/{project}/{name}:best": "v0",
    }
    with artifactd.init() as run:
        assert {address: run.use_artifact(address).version for address in expected} == expected
        assert inputs_of(daemon, run) == [f"{name}:v0", f"{name}:v1"]


@pytest.mark.parametrize("address", ["a/b/c/d", "a:", ":v0", "a b", "a:b:c", "", "/a", "a//b"])
def test_bad_addresses_are_refused(address: str, client: Client) -> None:
    with pytest.raises(ValueError, match="is not"):
        client.use_artifact(address)


def test_a_wrong_type_is_refused_and_is_no_input(daemon: DaemonProcess, client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {})).wait(SECONDS)
    with artifactd.init() as run:
        with pytest.raises(InvalidRequest, match="'dataset', not 'model'"):
            run.use_artifact(name, type="model")
        assert inputs_of(daemon, run) == []
        assert run.use_artifact(name, type="dataset").version == "v0"
        assert inputs_of(daemon, run) == [f"{name}:v0"]


def test_an_unlogged_artifact_is_logged_and_used_and_the_same_contents_are_no_new_version(
    daemon: DaemonProcess, client: Client, name: str
) -> None:
    with artifactd.init() as run:
        used = artifactd.use_artifact(made_of(name, {"a": b"1"}))
        assert (used.version, used.qualified_name.split("/")[-1]) == ("v0", f"{name}:v0")
        assert artifactd.use_artifact(made_of(name, {"a": b"1"})).version == "v0"
        assert inputs_of(daemon, run) == [f"{name}:v0"]
    assert len(list(client.versions(name))) == 1


def test_a_logged_artifact_is_used_once_it_is_committed(daemon: DaemonProcess, name: str) -> None:
    artifact = made_of(name, {"a": b"1"})
    with artifactd.init() as run:
        run.log_artifact(artifact)
        assert run.use_artifact(artifact).version == "v0"
        assert inputs_of(daemon, run) == [f"{name}:v0"]


def test_lookups_without_a_run_record_nothing(daemon: DaemonProcess, client: Client, name: str) -> None:
    client.log_artifact(made_of(name, {})).wait(SECONDS)
    before = query(daemon, "SELECT count(*) FROM run_inputs")
    client.use_artifact(name)
    assert query(daemon, "SELECT count(*) FROM run_inputs") == before


def test_module_functions_follow_the_environment(
    daemon: DaemonProcess, client: Client, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client.close()
    monkeypatch.setenv("ARTIFACTD_HOME", str(daemon.home))
    monkeypatch.setenv("ARTIFACTD_ENTITY", "someone")
    monkeypatch.setenv("ARTIFACTD_PROJECT", "something")
    (tmp_path / "file").write_bytes(b"x")
    handle = artifactd.log_artifact(tmp_path / "file", name=name, type="dataset")
    assert handle.wait(SECONDS).qualified_name == f"someone/something/{name}:v0"
    with artifactd.init() as run:
        assert (run.entity, run.project) == ("someone", "something")
    _defaults.default_client().close()
