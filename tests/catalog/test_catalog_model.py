"""Commit against a plain model: random batches, repetitions, refusals, deletions and restarts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from catalog_heads import Delete, digest, make_head
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifactd.daemon.catalog import Catalog, CommitRefused, Committed, Head
from artifactd.protocol.messages import GetCollections, GetVersions

_entities = itertools.count()


@dataclass
class ModelVersion:
    head: Head
    deleted: bool = False


@dataclass
class ModelCollection:
    type: str
    versions: list[ModelVersion] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)


class Model:
    """The rules once more, one head at a time, with no database."""

    def __init__(self) -> None:
        self.collections: dict[str, ModelCollection] = {}
        self.commits: dict[tuple[int, bytes], tuple[bytes, tuple[int, bool, bool]]] = {}

    def commit(self, head: Head) -> tuple[int, bool, bool] | None:
        """(version, created, warned), or None for a refusal."""
        if (known := self.commits.get((head.uid, head.id))) is not None:
            return known[1] if known[0] == head.body_hash else None
        collection = self.collections.get(head.name) or ModelCollection(head.type)
        if collection.type != head.type:
            return None
        first = 0 if head.reuse else max(0, len(collection.versions) - 1)
        equal = [
            number
            for number, version in enumerate(collection.versions)
            if number >= first and not version.deleted and version.head.digest == head.digest
        ]
        created = not equal
        if created:
            if head.size < 0:
                return None
            collection.versions.append(ModelVersion(head))
        self.collections[head.name] = collection
        number = equal[-1] if equal else len(collection.versions) - 1
        latest = [] if head.reuse and not created else ["latest"]
        collection.aliases.update(dict.fromkeys([*head.aliases, *latest], number))
        kept = collection.versions[number].head
        warned = (
            (bool(head.description) and head.description != kept.description)
            or (head.metadata != "{}" and head.metadata != kept.metadata)
            or (bool(head.tags) and set(head.tags) != set(kept.tags))
        )
        self.commits[head.uid, head.id] = (head.body_hash, (number, created, warned))
        return number, created, warned


def _plain(result: Committed | CommitRefused) -> tuple[int, bool, bool] | None:
    if isinstance(result, CommitRefused):
        return None
    return result.version, result.created, result.warning is not None


def _check(catalog: Catalog, model: Model, entity: str) -> None:
    found = catalog.collections(GetCollections(entity=entity)).items
    assert [item.name for item in found] == sorted(model.collections)
    for item in found:
        expected = model.collections[item.name]
        live = [n for n, version in enumerate(expected.versions) if not version.deleted]
        assert (item.type, item.versions, item.newest) == (expected.type, len(live), max(live, default=None))
        page = catalog.versions(GetVersions(entity=entity, project="vision", name=item.name, limit=1000)).items
        assert [version.version for version in page] == live[::-1]
        for version in page:
            head = expected.versions[version.version].head
            assert version.digest == head.digest
            assert (version.description, version.metadata) == (head.description, head.metadata)
            assert version.tags == tuple(sorted(head.tags))
            assert version.created_at == head.accepted_at
            assert list(version.aliases) == sorted(
                alias for alias, number in expected.aliases.items() if number == version.version
            )


_new_head = st.fixed_dictionaries(
    {
        "contents": st.integers(0, 2),
        "name": st.sampled_from("abc"),
        "type": st.sampled_from(["model", "model", "model", "dataset"]),
        "uid": st.sampled_from([1, 2]),
        "size": st.sampled_from([0, 5, 5, -1]),
        "aliases": st.lists(st.sampled_from(["best", "prod"]), unique=True).map(tuple),
        "tags": st.lists(st.sampled_from("xy"), unique=True).map(tuple),
        "description": st.sampled_from([None, "", "one", "two"]),
        "metadata": st.sampled_from(["{}", '{"a":1}']),
        "reuse": st.booleans(),
    }
)
_old_head = st.tuples(st.integers(0, 1000), st.sampled_from(["same", "same", "other body"]))
_step = st.one_of(
    st.lists(_new_head | _old_head, min_size=1, max_size=8),
    st.just("restart"),
    st.tuples(st.just("delete"), st.sampled_from("abc")),
)


@pytest.mark.timeout(400)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(_step, min_size=1, max_size=12))
def test_commit_agrees_with_the_model(catalog_url: str, delete_version: Delete, steps: list[Any]) -> None:
    entity, model, seen = f"e{next(_entities)}", Model(), list[Head]()
    catalog = Catalog.open(catalog_url)

    def head_of(choice: Any) -> Head | None:
        if isinstance(choice, dict):
            seen.append(make_head(entity=entity, **choice))
            return seen[-1]
        index, how = choice
        if not seen:
            return None
        head = seen[index % len(seen)]
        return head if how == "same" else replace(head, body_hash=b"\1" * 32, digest=digest(9))

    try:
        for step in steps:
            if step == "restart":
                catalog.close()
                catalog = Catalog.open(catalog_url)
            elif isinstance(step, tuple):
                collection = model.collections.get(step[1])
                if collection is not None and not collection.versions[-1].deleted:
                    delete_version(entity, "vision", step[1], len(collection.versions) - 1)
                    collection.versions[-1].deleted = True
            else:
                heads = [head for choice in step if (head := head_of(choice)) is not None]
                results = [_plain(result) for result in catalog.commit(heads)]
                assert results == [model.commit(head) for head in heads]
        _check(catalog, model, entity)
    finally:
        catalog.close()
