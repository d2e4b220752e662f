"""What the catalog sends to the database: few statements, each served by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from catalog_heads import digest, make_head
from sqlalchemy import Engine, event, make_url

from artifactd.daemon.catalog import BlobLocation, Catalog
from artifactd.protocol.errors import ArtifactNotFound
from artifactd.protocol.messages import (
    DeleteVersion,
    EditVersion,
    FinishRun,
    GetCollections,
    GetRuns,
    GetRunVersions,
    GetTypes,
    GetUsers,
    GetVersions,
    LinkVersion,
    StartRun,
)


@contextmanager
def sent() -> Iterator[list[tuple[str, Any]]]:
    """Every statement with its parameters, except those that begin transactions."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not statement.startswith("BEGIN"):
            statements.append((statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("collections", [1, 64])
def test_a_batch_takes_as_many_round_trips_as_a_single_head(catalog: Catalog, collections: int) -> None:
    def batch(size: int, reuse: bool = False) -> list[Any]:
        return [
            make_head(
                n, name=f"c{n % collections}", aliases=("best",), tags=("t",), metadata='{"n":1}', reuse=reuse
            )
            for n in range(size)
        ]

    with sent() as single:
        catalog.commit(batch(1))
    with sent() as first:
        catalog.commit(batch(64))
    with sent() as second:
        catalog.commit(batch(64))
    with sent() as third:
        catalog.commit(batch(64, reuse=True))
    assert len(third) <= 12
    assert len(single) <= 11
    assert len(first) <= 12
    assert len(second) <= 11


def read_all_there_is_to_list(catalog: Catalog) -> None:
    team = {"entity": "team", "project": "vision"}
    catalog.types(GetTypes(**team))
    catalog.collections(GetCollections(**team, type="model", after=("vision", "c0")))
    catalog.collections(GetCollections(**team, type="model", name="c1"))
    catalog.run(**team, id="r")
    for newest_first in (False, True):
        catalog.runs(GetRuns(**team, filter='{"config.lr":{"$gt":1}}', newest_first=newest_first))
        catalog.runs(GetRuns(**team, newest_first=newest_first, after=(0.0, "r")))
    catalog.users(GetUsers(**team, name="c0", version=2))
    catalog.users(GetUsers(**team, name="c0", version=2, after=(0.0, "team", "vision", "a")))
    for role in ("logged", "used"):
        catalog.run_versions(GetRunVersions(**team, run="r", role=role))
        catalog.run_versions(GetRunVersions(**team, run="r", role=role, after=("team", "vision", "c0", 0)))


def change_all_that_may_change(catalog: Catalog) -> None:
    place = {"entity": "team", "project": "vision", "name": "c0", "version": 0}
    for _ in range(2):
        catalog.edit(
            EditVersion(
                **place,
                revision=5,
                description=(None, "new"),
                add_aliases=("a",),
                remove_aliases=("b",),
                add_tags=("s",),
                remove_tags=("t",),
            )
        )
    for id in (b"1" * 16, b"1" * 16, b"2" * 16):
        catalog.link(1, LinkVersion(**place, id=id, target=("team", "shop", "p")), b"")
    for _ in range(2):
        catalog.delete(DeleteVersion(**place, delete_aliases=True))


@pytest.mark.parametrize("catalog_url", ["sqlite"], indirect=True)
def test_no_statement_scans_a_table(catalog: Catalog, catalog_url: str) -> None:
    heads = [make_head(n, name=f"c{n % 3}", tags=("t",), aliases=("best",), run="r") for n in range(9)]
    with sent() as statements:
        catalog.commit(heads)
        catalog.commit([*heads, make_head(6, name="c0"), make_head(0, name="c0", reuse=True)])
        catalog.outcome(1000, heads[0].id)
        catalog.register_blobs([("team", digest(1), BlobLocation("k", 0, 1))])
        catalog.known_blobs("team", [digest(1), digest(2)])
        version = catalog.version("team", "vision", "c0", "best")
        catalog.version("team", "vision", "c0", "v0")
        with pytest.raises(ArtifactNotFound):
            catalog.version("team", "vision", "c0", "nope")
        with pytest.raises(ArtifactNotFound):
            catalog.version("team", "vision", "nope", "latest")
        catalog.versions(GetVersions(entity="team", project="vision", name="c0", before=2))
        catalog.collections(GetCollections(entity="team"))
        catalog.collections(GetCollections(entity="team", project="vision", after=("vision", "c0")))
        catalog.start_run(1, StartRun(id="r", entity="team", project="vision", name="n", lock="l"))
        catalog.record_use(1, "team", "vision", "r", version)
        read_all_there_is_to_list(catalog)
        change_all_that_may_change(catalog)
        catalog.crash_run(1, "team", "vision", "r", ["l", "m"])
        catalog.finish_run(1, FinishRun(id="r", entity="team", project="vision"))
    assert len(statements) > 90
    database = sqlite3.connect(str(make_url(catalog_url).database))
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for statement, parameters in statements:
        for *_, step in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
            scanned = re.match(r"SCAN (\w+)", step)
            assert scanned is None or scanned[1] not in tables, (statement, step)
    database.close()
