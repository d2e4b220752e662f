"""Runs and the lineage graph, page by page; totals; types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from catalog_heads import Delete, make_head

from artifactd.daemon.catalog import Catalog
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.messages import (
    FinishRun,
    GetCollections,
    GetRuns,
    GetRunVersions,
    GetTypes,
    GetUsers,
    GetVersions,
    RunRecord,
    StartRun,
)

TEAM = {"entity": "team", "project": "vision"}


def start(catalog: Catalog, id: str, **fields: Any) -> None:
    catalog.start_run(1, StartRun(id=id, **({**TEAM, "name": id} | fields)))


def all_pages(page: Callable[[Any], Any], cursor: Callable[[Any], Any]) -> list[Any]:
    """Every item; checks that the first page alone tells how many there are."""
    seen: list[Any] = []
    reply = page(None)
    total = reply.total
    while True:
        seen += reply.items
        if not reply.more:
            break
        reply = page(cursor(reply.items[-1]))
        assert reply.total is None
    assert total == len(seen)
    return seen


def used(catalog: Catalog, run: str, name: str, number: int) -> None:
    catalog.record_use(1, "team", "vision", run, catalog.version("team", "vision", name, f"v{number}"))


def test_a_run_is_found_with_all_that_is_known_of_it(catalog: Catalog) -> None:
    start(catalog, "r", name="n", job_type="train", group="g", config='{"lr":1}', host="h", pid=7)
    catalog.finish_run(1, FinishRun(id="r", **TEAM))
    found = catalog.run("team", "vision", "r")
    assert found.ended_at is not None
    assert 0 < found.started_at <= found.ended_at
    assert found == RunRecord(
        entity="team",
        project="vision",
        id="r",
        name="n",
        job_type="train",
        group="g",
        config='{"lr":1}',
        state="finished",
        host="h",
        pid=7,
        started_at=found.started_at,
        ended_at=found.ended_at,
    )
    with pytest.raises(ArtifactNotFound, match="team/vision/nope"):
        catalog.run("team", "vision", "nope")


@pytest.mark.parametrize("newest_first", [False, True])
def test_runs_are_paged_by_their_start_without_gap_or_repetition(catalog: Catalog, newest_first: bool) -> None:
    ids = [f"r{n}" for n in range(5)]
    for id in ids:
        start(catalog, id)
    start(catalog, "other", project="elsewhere")
    found = all_pages(
        lambda after: catalog.runs(GetRuns(**TEAM, newest_first=newest_first, after=after, limit=2)),
        lambda run: (run.started_at, run.id),
    )
    assert [run.id for run in found] == (ids[::-1] if newest_first else ids)


def test_what_a_run_logged_is_paged_over_its_collections(catalog: Catalog) -> None:
    names = [("b", 0), ("a", 0), ("b", 1), ("a", 1), ("b", 2)]
    catalog.commit([make_head(10 * n + ord(name), name=name, run="r") for name, n in names])
    catalog.commit([make_head(99, name="a", run="another"), make_head(5, project="elsewhere", run="r")])
    found = all_pages(
        lambda after: catalog.run_versions(GetRunVersions(**TEAM, run="r", role="logged", after=after, limit=2)),
        lambda item: (item.entity, item.project, item.name, item.version),
    )
    assert [(item.name, item.version) for item in found] == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]


def test_a_run_logged_what_had_equal_contents_already_and_the_version_keeps_its_producer(catalog: Catalog) -> None:
    catalog.commit([make_head(0, run="first"), make_head(0, run="second")])
    for run in ("first", "second"):
        page = catalog.run_versions(GetRunVersions(**TEAM, run=run, role="logged"))
        assert [item.run for item in page.items] == ["first"]


def test_the_users_of_a_version_are_paged_by_their_start(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1)])
    for n in range(5):
        start(catalog, f"r{n}")
        used(catalog, f"r{n}", "model", 0)
    used(catalog, "r1", "model", 1)
    place = {**TEAM, "name": "model"}
    found = all_pages(
        lambda after: catalog.users(GetUsers(**place, version=0, after=after, limit=2)),
        lambda run: (run.started_at, run.entity, run.project, run.id),
    )
    assert [run.id for run in found] == [f"r{n}" for n in range(5)]
    assert [run.id for run in catalog.users(GetUsers(**place, version=1)).items] == ["r1"]
    with pytest.raises(ArtifactNotFound, match="model:v7"):
        catalog.users(GetUsers(**place, version=7))


def test_deleted_versions_are_neither_logged_nor_used(catalog: Catalog, delete_version: Delete) -> None:
    catalog.commit([make_head(0, run="r"), make_head(1, run="r")])
    start(catalog, "r")
    for number in (0, 1):
        used(catalog, "r", "model", number)
    delete_version("team", "vision", "model", 0)
    for role in ("logged", "used"):
        page = catalog.run_versions(GetRunVersions(**TEAM, run="r", role=role))
        assert ([item.version for item in page.items], page.total) == ([1], 1)


def test_an_unknown_role_is_refused(catalog: Catalog) -> None:
    with pytest.raises(InvalidRequest, match="logged or used"):
        catalog.run_versions(GetRunVersions(**TEAM, run="r", role="made"))


def test_a_page_of_long_configs_is_cut_to_fit_one_message(catalog: Catalog) -> None:
    for n in range(3):
        start(catalog, f"r{n}", config='{"a":"' + "x" * 600_000 + '"}')
    page = catalog.runs(GetRuns(**TEAM))
    assert ([run.id for run in page.items], page.more, page.total) == (["r0"], True, 3)


def test_collections_are_filtered_by_type_and_name_and_counted(catalog: Catalog) -> None:
    kinds = [("a", "model"), ("b", "dataset"), ("c", "model"), ("d", "model")]
    catalog.commit([make_head(0, name=name, type=type) for name, type in kinds])
    catalog.commit([make_head(0, name="e", type="code", project="elsewhere")])
    assert catalog.types(GetTypes(**TEAM)).names == ("dataset", "model")
    found = all_pages(
        lambda after: catalog.collections(GetCollections(**TEAM, type="model", after=after, limit=2)),
        lambda item: (item.project, item.name),
    )
    assert [item.name for item in found] == ["a", "c", "d"]
    assert catalog.collections(GetCollections(**TEAM, type="model", name="b")).items == ()
    assert len(catalog.collections(GetCollections(**TEAM, type="dataset", name="b")).items) == 1


def test_versions_are_counted_and_those_of_another_type_refused(catalog: Catalog) -> None:
    catalog.commit([make_head(n) for n in range(3)])
    place = {**TEAM, "name": "model"}
    all_pages(
        lambda before: catalog.versions(GetVersions(**place, before=before, limit=2)), lambda item: item.version
    )
    with pytest.raises(InvalidRequest, match="'model', not 'dataset'"):
        catalog.versions(GetVersions(**place, type="dataset"))
