"""Collections against a plain model: random calls by several clients, after each of which the API is compared."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from api.collections_model import About, Contents, Fields, Model, Place, Seen
from api.support import SECONDS, made_of
from artifactd.client import Api, Artifact, ArtifactdError, ArtifactFailed, Client, LogHandle, Run
from harness.daemon import DaemonProcess

CLIENTS = 2
NOTHING = About(None, {}, frozenset())

_project = itertools.count()
clients = st.integers(0, CLIENTS - 1)
names = st.sampled_from(["a", "a", "b"])
types = st.sampled_from(["dataset"] * 9 + ["model"])
contents = st.sampled_from([b"0", b"1"])
labels = st.sampled_from(["best", "prod", "latest"])
addresses = st.sampled_from(["latest", "latest", "v0", "v1", "v2", "best"])
aliases = st.frozensets(labels, max_size=2)
tags = st.frozensets(st.sampled_from(["x", "y"]))
descriptions = st.sampled_from(["one", "two", None])
metadata = st.sampled_from([{"n": 1}, {"n": 2}, {}])
abouts = st.builds(About, descriptions, metadata, tags)
texts = st.fixed_dictionaries({"description": descriptions}) | st.fixed_dictionaries({"metadata": metadata})
labelled = st.fixed_dictionaries({"aliases": aliases}, optional={"tags": tags, "description": descriptions})


class Worker:
    """A client with a thread and a run of its own."""

    def __init__(self, socket: Path, project: str) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.client = Client(socket, project=project, entity="model")
        self.api = Api(client=self.client)
        self.run: Run = self.do(Run, self.client)

    def do(self, act: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return self._thread.submit(act, *args, **options).result()

    def log(self, name: str, type: str, data: Contents, about: About, moved: frozenset[str]) -> LogHandle:
        artifact = made_of(name, {"file": data}, type, description=about.description, metadata=about.metadata)
        return self.run.log_artifact(artifact, aliases=sorted(moved), tags=sorted(about.tags))

    def use_unlogged(self, name: str, type: str, data: Contents) -> Artifact:
        return self.run.use_artifact(made_of(name, {"file": data}, type))

    def close(self) -> None:
        with suppress(ArtifactFailed):  # by its type, as was expected
            self.do(self.run.finish)
        self.do(self.client.close)
        self._thread.shutdown()


class Held:
    """A version that somebody looked up, and what he wants of it that is not saved yet."""

    def __init__(self, worker: Worker, artifact: Artifact, seen: Seen) -> None:
        self.worker = worker
        self.artifact = artifact
        self.seen = seen
        self.wanted = seen.fields


class Collections(RuleBasedStateMachine):
    """One rule for each operation: it asks the API and the model, which must say the same."""

    held = Bundle("held")

    def __init__(self, socket: Path) -> None:
        super().__init__()
        project = f"p{next(_project)}-{os.urandom(4).hex()}"
        self.workers = [Worker(socket, project) for _ in range(CLIENTS)]
        self.model = Model()
        self.digests: dict[Contents, str] = {}

    def teardown(self) -> None:
        for worker in self.workers:
            worker.close()

    @initialize(target=held)
    def begin(self) -> Any:
        self.log([(0, "a", "dataset", data, NOTHING, frozenset()) for data in (b"0", b"1")])
        return self._look("a", "latest")

    @rule(line=st.lists(st.tuples(clients, names, types, contents, abouts, aliases), min_size=1, max_size=2))
    def log(self, line: list[tuple[int, str, str, Contents, About, frozenset[str]]]) -> None:
        """One after the other, by anyone, without waiting for commits."""
        handles = [self.workers[call[0]].do(self.workers[call[0]].log, *call[1:]) for call in line]
        for handle, (client, name, type, data, about, moved) in zip(handles, line, strict=True):
            expected = outcome(self.model.log, client, name, type, data, replace(about), moved)
            assert with_warning(partial(handle.wait, SECONDS)) == expected

    @rule(client=clients, name=names, type=types, data=contents)
    def use_unlogged(self, client: int, name: str, type: str, data: Contents) -> None:
        worker = self.workers[client]
        expected = outcome(self.model.use_unlogged, client, name, type, data)
        assert with_warning(partial(worker.do, worker.use_unlogged, name, type, data)) == expected

    @rule(name=names, data=contents, moved=aliases)
    def write_together(self, name: str, data: Contents, moved: frozenset[str]) -> None:
        """Everybody upserts, and the last finishes."""
        known = self.model.collections.get(name)
        type, draft = known.type if known else "dataset", os.urandom(4).hex()
        for worker in self.workers:
            worker.do(worker.run.upsert_artifact, made_of(name, {"file": data}, type), draft)
        last = self.workers[-1]
        handle = last.do(last.run.finish_artifact, Artifact(name, type), draft, aliases=sorted(moved))
        expected = self.model.write_together(range(CLIENTS), name, type, data, moved)
        assert with_warning(partial(handle.wait, SECONDS)) == expected

    @rule(target=held, name=names, alias=addresses)
    def use(self, name: str, alias: str) -> Any:
        return self._look(name, alias)

    def _look(self, name: str, alias: str) -> Any:
        """By all clients: who edits then has not seen what the others do."""
        found = []
        for client, worker in enumerate(self.workers):
            expected = outcome(self.model.use, client, name, alias)
            artifact = outcome(worker.do, worker.run.use_artifact, f"{name}:{alias}")
            if isinstance(expected, Seen):
                assert (place_of(artifact), fields_of(artifact)) == (expected.place, expected.fields)
                found.append(Held(worker, artifact, expected))
            else:
                assert artifact is expected
        return multiple(*found)

    @rule(edits=st.lists(st.tuples(held, texts), min_size=1, max_size=4))
    def describe(self, edits: list[tuple[Held, dict[str, Any]]]) -> None:
        for held, change in edits:
            self._save(held, change)

    @rule(edits=st.lists(st.tuples(held, labelled), min_size=1, max_size=4))
    def label(self, edits: list[tuple[Held, dict[str, Any]]]) -> None:
        for held, change in edits:
            self._save(held, change)

    def _save(self, held: Held, change: dict[str, Any]) -> None:
        """By one who may have looked long ago; what was refused is wanted still."""
        for field, value in change.items():
            setattr(held.artifact, field, sorted(value) if isinstance(value, frozenset) else value)
        held.wanted = replace(held.wanted, **change)
        expected = outcome(self.model.save, held.seen, held.wanted)
        said = outcome(held.worker.do, held.artifact.save)
        if not isinstance(expected, Seen):
            assert said is expected
            return
        assert (said, fields_of(held.artifact)) == (None, expected.fields)
        held.seen, held.wanted = expected, expected.fields

    @rule(held=consumes(held), delete_aliases=st.booleans())
    def delete(self, held: Held, delete_aliases: bool) -> None:
        expected = outcome(self.model.delete, held.seen.place, delete_aliases)
        assert outcome(held.worker.do, held.artifact.delete, delete_aliases) == expected
        # What was deleted is likely to be made again.
        (name, number), collection = held.seen.place, self.model.collections[held.seen.place[0]]
        data = collection.versions[number].contents
        self.log([(0, name, collection.type, data, NOTHING, frozenset())])

    @rule(target=held, source=held, name=st.sampled_from("bbca"), moved=aliases)
    def link(self, source: Held, name: str, moved: frozenset[str]) -> Any:
        expected = outcome(self.model.link, source.seen.place, name, moved)
        linked = outcome(source.worker.do, source.artifact.link, name, sorted(moved))
        if not isinstance(linked, Artifact):
            assert linked == expected
            return multiple()
        seen = self.model.see(expected)
        assert (place_of(linked), fields_of(linked)) == (expected, seen.fields)
        return Held(source.worker, linked, seen)

    @invariant()
    def every_version_is_what_the_model_says(self) -> None:
        client = self.workers[0].client
        listed = {item.name: item for item in client.collections(client.scope.project)}
        assert sorted(listed) == sorted(self.model.collections)
        for worker, (name, collection) in zip(self.workers, self.model.collections.items(), strict=False):
            live = collection.live()
            item = listed[name]
            assert (item.type, item.versions, item.newest) == (collection.type, len(live), max(live, default=None))
            found = worker.api.artifacts(collection.type, name, per_page=2)
            assert [place_of(artifact) for artifact in found] == [(name, number) for number in reversed(live)]
            for artifact, number in zip(found, reversed(live), strict=True):
                version = collection.versions[number]
                assert fields_of(artifact) == self.model.see((name, number)).fields
                assert artifact.source_name == "{}:v{}".format(*version.source)
                assert artifact.is_link == (version.source != (name, number))
                assert self.digests.setdefault(version.contents, artifact.digest) == artifact.digest
        assert len(set(self.digests.values())) == len(self.digests)

    @invariant()
    def every_run_is_what_the_model_says(self) -> None:
        for number, worker in enumerate(self.workers):
            assert {place_of(artifact) for artifact in worker.run.logged_artifacts()} == self.model.logged(number)
            assert {place_of(artifact) for artifact in worker.run.used_artifacts()} == self.model.used(number)


def outcome(act: Callable[..., Any], *args: Any) -> Any:
    """What it returns, or the class of the error that it raises."""
    try:
        return act(*args)
    except ArtifactdError as error:
        return type(error)


def with_warning(act: Callable[[], Artifact]) -> Any:
    """The place of the version that it returns, and whether it warned; or the class of its error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        artifact = outcome(act)
    return (place_of(artifact), bool(caught)) if isinstance(artifact, Artifact) else artifact


def place_of(artifact: Artifact) -> Place:
    name, _, version = artifact.name.partition(":v")
    return name, int(version)


def fields_of(artifact: Artifact) -> Fields:
    return Fields(artifact.description, artifact.metadata, frozenset(artifact.aliases), frozenset(artifact.tags))


@pytest.mark.timeout(600)  # a failure is shrunk for up to five minutes
def test_collections_agree_with_the_model(daemon: DaemonProcess) -> None:
    run_state_machine_as_test(
        partial(Collections, daemon.socket),
        settings=settings(
            max_examples=18,
            stateful_step_count=25,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
