"""Blob locations and runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from catalog_heads import digest, make_head
from sqlalchemy import create_engine, select

from artifactd.daemon.catalog import BlobLocation, Catalog
from artifactd.daemon.catalog.connecting import parse
from artifactd.daemon.catalog.schema import run_inputs, runs
from artifactd.protocol.errors import ArtifactNotFound, Denied, InvalidRequest
from artifactd.protocol.messages import FinishRun, StartRun


def rows(catalog_url: str, query: Any) -> list[tuple[Any, ...]]:
    engine = create_engine(parse(catalog_url))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(query)]
    engine.dispose()
    return found


def test_blobs_are_known_to_their_entity_only(catalog: Catalog) -> None:
    here, there = BlobLocation("team/blobs/1", 0, 10), BlobLocation("others/blobs/2", 5, 20)
    catalog.register_blobs([("team", digest(1), here), ("others", digest(2), there)])
    assert catalog.known_blobs("team", [digest(1), digest(2), digest(3)]) == {digest(1): here}
    assert catalog.known_blobs("others", {digest(2)}) == {digest(2): there}


def test_a_blob_keeps_its_first_location(catalog: Catalog) -> None:
    first, second = BlobLocation("k1", 0, 10), BlobLocation("k2", 0, 10)
    catalog.register_blobs([("team", digest(1), first)])
    catalog.register_blobs([("team", digest(1), second), ("team", digest(2), second)])
    assert catalog.known_blobs("team", [digest(1), digest(2)]) == {digest(1): first, digest(2): second}


def test_more_digests_than_one_statement_takes_are_found(catalog: Catalog) -> None:
    catalog.register_blobs([("team", digest(n), BlobLocation(f"k{n}", 0, n)) for n in range(0, 40_000, 2)])
    found = catalog.known_blobs("team", [digest(n) for n in range(40_000)])
    assert sorted(location.length for location in found.values()) == list(range(0, 40_000, 2))


def test_a_blob_that_the_database_refuses_leaves_none_of_its_batch(catalog: Catalog) -> None:
    with pytest.raises(InvalidRequest):
        catalog.register_blobs(
            [("team", digest(1), BlobLocation("k", 0, 1)), ("team", digest(2), BlobLocation("k", 0, -1))]
        )
    assert catalog.known_blobs("team", [digest(1)]) == {}


def start(id: str = "r1", **fields: Any) -> StartRun:
    return StartRun(id=id, entity="team", project="vision", name="train", **fields)


def test_a_run_is_recorded_closed_and_opened_again(catalog: Catalog, catalog_url: str) -> None:
    state = select(runs.c["name", "group", "config", "uid", "state"], runs.c.ended_at.is_(None))
    catalog.start_run(1000, start(group="g", config='{"lr":1}', pid=4))
    assert rows(catalog_url, state) == [("train", "g", '{"lr":1}', 1000, "running", True)]
    catalog.finish_run(1000, FinishRun(id="r1", entity="team", project="vision", state="failed"))
    assert rows(catalog_url, state)[0][4:] == ("failed", False)
    ((started,),) = rows(catalog_url, select(runs.c.started_at))
    catalog.start_run(1000, start(pid=5))
    assert rows(catalog_url, state) == [("train", "g", '{"lr":1}', 1000, "running", True)]
    assert rows(catalog_url, select(runs.c.started_at)) == [(started,)]


def test_a_run_that_returns_keeps_what_is_not_given_again(catalog: Catalog, catalog_url: str) -> None:
    said = select(runs.c["name", "job_type", "group", "config"])
    catalog.start_run(1, start(job_type="fit", group="g", config='{"lr":1,"n":1.00}', lock="a"))
    catalog.start_run(1, replace(start(config='{"lr":2}', lock="b"), name="r1"))
    assert rows(catalog_url, said) == [("train", "fit", "g", '{"lr":2,"n":1.00}')]
    catalog.start_run(1, replace(start(job_type="eval", group="h", lock="c"), name="other"))
    assert rows(catalog_url, said) == [("other", "eval", "h", '{"lr":2,"n":1.00}')]


def test_a_late_config_changes_nothing_else_of_a_run(catalog: Catalog, catalog_url: str) -> None:
    everything = select(runs)
    catalog.start_run(1, start(job_type="fit", config='{"lr":1}', lock="a", pid=4))
    catalog.finish_run(1, FinishRun(id="r1", entity="team", project="vision"))
    before = str(rows(catalog_url, everything))
    late = replace(start(config='{"n":2}', config_only=True), name="other")
    for _ in range(2):
        catalog.start_run(1, late)
    assert str(rows(catalog_url, everything)) == before.replace('{"lr":1}', '{"lr":1,"n":2}')
    with pytest.raises(Denied):
        catalog.start_run(2, late)
    with pytest.raises(ArtifactNotFound):
        catalog.start_run(1, replace(late, id="nobody"))


def test_the_configs_of_a_run_are_bounded_together(catalog: Catalog, catalog_url: str) -> None:
    half = "x" * 600_000
    catalog.start_run(1, start(config=f'{{"a":"{half}"}}'))
    with pytest.raises(InvalidRequest, match="config"):
        catalog.start_run(1, start(config=f'{{"b":"{half}"}}'))
    assert rows(catalog_url, select(runs.c.config)) == [(f'{{"a":"{half}"}}',)]


def test_a_run_belongs_to_the_user_who_started_it(catalog: Catalog, catalog_url: str) -> None:
    catalog.commit([make_head(0)])
    catalog.start_run(1000, start(pid=4))
    version = catalog.version("team", "vision", "model", "latest")
    with pytest.raises(Denied):
        catalog.start_run(1001, start(pid=5))
    with pytest.raises(Denied):
        catalog.finish_run(1001, FinishRun(id="r1", entity="team", project="vision"))
    with pytest.raises(Denied):
        catalog.record_use(1001, "team", "vision", "r1", version)
    assert rows(catalog_url, select(runs.c["uid", "pid", "state"])) == [(1000, 4, "running")]
    assert rows(catalog_url, select(run_inputs)) == []


def test_a_use_is_recorded_once_with_the_run_of_another_project(catalog: Catalog, catalog_url: str) -> None:
    catalog.commit([make_head(0), make_head(1)])
    catalog.start_run(1, StartRun(id="r1", entity="me", project="mine", name="n"))
    version = catalog.version("team", "vision", "model", "v1")
    for _ in range(2):
        catalog.record_use(1, "me", "mine", "r1", version)
    assert rows(catalog_url, select(run_inputs.c["entity", "project", "run", "number"])) == [
        ("me", "mine", "r1", 1)
    ]


def test_what_does_not_exist_is_not_found(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    version = catalog.version("team", "vision", "model", "latest")
    with pytest.raises(ArtifactNotFound, match="team/vision/nope"):
        catalog.finish_run(1, FinishRun(id="nope", entity="team", project="vision"))
    with pytest.raises(ArtifactNotFound, match="team/vision/nope"):
        catalog.record_use(1, "team", "vision", "nope", version)


@pytest.mark.parametrize("state", ["running", "crashed", "done"])
def test_a_run_ends_as_finished_or_failed_only(catalog: Catalog, state: str) -> None:
    catalog.start_run(1, start())
    with pytest.raises(InvalidRequest, match="finished or failed"):
        catalog.finish_run(1, FinishRun(id="r1", entity="team", project="vision", state=state))


def test_a_pid_beyond_the_database_is_an_invalid_request(catalog: Catalog) -> None:
    with pytest.raises(InvalidRequest):
        catalog.start_run(1, start(pid=1 << 63))


def record(catalog_url: str) -> tuple[Any, ...]:
    (row,) = rows(catalog_url, select(runs.c["state", "lock"], runs.c.ended_at.is_(None)))
    return row


HERE = ("team", "vision", "r1")


def test_a_run_crashes_only_by_the_lock_it_was_started_with_last(catalog: Catalog, catalog_url: str) -> None:
    catalog.start_run(1000, start(lock="a"))
    catalog.start_run(1000, start(lock="b"))
    assert catalog.crash_run(1000, *HERE, ["a", "c"]) is None
    assert record(catalog_url) == ("running", "b", True)
    assert catalog.crash_run(1000, *HERE, ["a", "b"]) == ("b", "crashed")
    assert record(catalog_url) == ("crashed", "b", False)


def test_nobody_crashes_another_users_run(catalog: Catalog, catalog_url: str) -> None:
    catalog.start_run(1000, start(lock="a"))
    assert catalog.crash_run(1001, *HERE, ["a"]) is None
    assert record(catalog_url)[0] == "running"


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_a_run_that_has_ended_does_not_crash(catalog: Catalog, catalog_url: str, state: str) -> None:
    catalog.start_run(1000, start(lock="a"))
    catalog.finish_run(1000, FinishRun(id="r1", entity="team", project="vision", state=state))
    ended = rows(catalog_url, select(runs.c.ended_at))
    assert catalog.crash_run(1000, *HERE, ["a"]) == ("a", state)
    assert rows(catalog_url, select(runs.c.ended_at)) == ended


def test_a_run_without_a_lock_never_crashes(catalog: Catalog, catalog_url: str) -> None:
    catalog.start_run(1000, start(lock="a"))
    catalog.start_run(1000, start())
    assert catalog.crash_run(1000, *HERE, ["a"]) is None
    assert record(catalog_url)[0] == "running"


def test_the_last_word_of_a_crashed_runs_process_holds(catalog: Catalog, catalog_url: str) -> None:
    catalog.start_run(1000, start(lock="a"))
    catalog.crash_run(1000, *HERE, ["a"])
    catalog.finish_run(1000, FinishRun(id="r1", entity="team", project="vision"))
    assert record(catalog_url)[0] == "finished"


def test_a_start_that_arrives_twice_opens_nothing_that_ended_between(catalog: Catalog, catalog_url: str) -> None:
    catalog.start_run(1000, start(lock="a"))
    catalog.finish_run(1000, FinishRun(id="r1", entity="team", project="vision"))
    catalog.start_run(1000, start(lock="a"))
    assert record(catalog_url) == ("finished", "a", False)
    catalog.start_run(1000, start(lock="b"))
    assert record(catalog_url) == ("running", "b", True)
    with pytest.raises(Denied):
        catalog.start_run(1001, start(lock="b"))


def test_an_end_that_is_told_twice_keeps_its_time(catalog: Catalog, catalog_url: str) -> None:
    catalog.start_run(1000, start(lock="a"))
    times = []
    for _ in range(2):
        catalog.finish_run(1000, FinishRun(id="r1", entity="team", project="vision"))
        times.append(rows(catalog_url, select(runs.c.ended_at)))
    assert times[0] == times[1]
