"""What changes a collection or a run leaves a row in the outbox, in the same transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from catalog_heads import make_head
from sqlalchemy import Engine, create_engine, select, text

from artifactd.daemon.catalog import Catalog, CommitRefused
from artifactd.daemon.catalog.connecting import parse
from artifactd.daemon.catalog.schema import collections, outbox
from artifactd.protocol.errors import Conflict, Denied, InvalidRequest
from artifactd.protocol.messages import DeleteVersion, EditVersion, FinishRun, LinkVersion, StartRun

MODEL = {"entity": "team", "project": "vision", "name": "model"}


@pytest.fixture
def engine(catalog: Catalog, catalog_url: str) -> Iterator[Engine]:
    engine = create_engine(parse(catalog_url))
    yield engine
    engine.dispose()


def taken(engine: Engine) -> list[tuple[Any, ...]]:
    """Kind, project, name, version and submission of all rows, by id; they are gone then."""
    with engine.begin() as connection:
        rows = connection.execute(
            select(*outbox.c["kind", "project", "name", "version", "submission_id"]).order_by(outbox.c.id)
        ).all()
        connection.execute(outbox.delete())
    return [tuple(row) for row in rows]


def version(name: str, number: int, id: bytes | None = None) -> tuple[Any, ...]:
    return ("collection", "vision", name, number, id)


def test_each_head_of_a_commit_leaves_a_row(catalog: Catalog, engine: Engine) -> None:
    a, b, again = make_head(1), make_head(1, name="other"), make_head(1)
    catalog.commit([a, b, again])
    assert taken(engine) == [version("model", 0, a.id), version("other", 0, b.id), version("model", 0, again.id)]


def test_a_repeated_and_a_refused_head_leave_none(catalog: Catalog, engine: Engine) -> None:
    head = make_head(1)
    catalog.commit([head])
    taken(engine)
    results = catalog.commit([head, make_head(2, type="dataset")])
    assert isinstance(results[1], CommitRefused)
    assert taken(engine) == []


def test_edits_deletions_and_links_leave_rows(catalog: Catalog, engine: Engine) -> None:
    catalog.commit([make_head(1)])
    taken(engine)
    catalog.edit(EditVersion(**MODEL, version=0, revision=1, add_aliases=("best",), add_tags=("t",)))
    assert taken(engine) == [version("model", 0)]
    link = LinkVersion(**MODEL, version=0, id=b"l" * 16, target=("team", "vision", "shop"))
    catalog.link(1, link, b"")
    assert taken(engine) == [version("shop", 0, link.id)]
    catalog.link(1, link, b"")
    assert taken(engine) == []
    catalog.delete(DeleteVersion(**MODEL, version=0, delete_aliases=True))
    catalog.delete(DeleteVersion(**MODEL, version=0, delete_aliases=True))
    assert taken(engine) == [version("model", 0)]


def test_what_is_edited_of_a_link_is_noted_where_it_is_kept(catalog: Catalog, engine: Engine) -> None:
    catalog.commit([make_head(1)])
    catalog.link(1, LinkVersion(**MODEL, version=0, id=b"l" * 16, target=("team", "vision", "shop")), b"")
    taken(engine)
    shop = MODEL | {"name": "shop"}
    catalog.edit(EditVersion(**shop, version=0, revision=1, description=(None, "new")))
    assert taken(engine) == [version("model", 0)]
    catalog.edit(EditVersion(**shop, version=0, revision=1, remove_aliases=("latest",)))
    assert taken(engine) == [version("shop", 0)]
    catalog.edit(EditVersion(**shop, version=0, revision=1, add_aliases=("a",), add_tags=("t",)))
    assert taken(engine) == [version("shop", 0), version("model", 0)]


def test_what_is_refused_leaves_no_row(catalog: Catalog, engine: Engine) -> None:
    catalog.commit([make_head(1, aliases=("best",))])
    catalog.start_run(1, StartRun(id="r", entity="team", project="vision", name="r"))
    taken(engine)
    with pytest.raises(Conflict):
        catalog.edit(EditVersion(**MODEL, version=0, revision=1, description=("other", "new")))
    with pytest.raises(InvalidRequest):
        catalog.delete(DeleteVersion(**MODEL, version=0))
    with pytest.raises(Denied):
        catalog.finish_run(2, FinishRun(id="r", entity="team", project="vision"))
    with pytest.raises(Denied):
        catalog.start_run(2, StartRun(id="r", entity="team", project="vision", name="r"))
    assert taken(engine) == []


def test_a_run_leaves_a_row_whenever_it_changes(catalog: Catalog, engine: Engine) -> None:
    run = ("run", "vision", "r", None, None)
    catalog.commit([make_head(1)])
    taken(engine)
    start = StartRun(id="r", entity="team", project="vision", name="r", lock="l")
    catalog.start_run(1, start)
    assert taken(engine) == [run]
    catalog.start_run(1, start)
    assert taken(engine) == []
    catalog.start_run(1, StartRun(id="r", entity="team", project="vision", name="r", config_only=True))
    assert taken(engine) == [run]
    used = catalog.version("team", "vision", "model", "latest")
    for expected in ([run], []):
        catalog.record_use(1, "team", "vision", "r", used)
        assert taken(engine) == expected
    for expected in ([run], []):
        catalog.crash_run(1, "team", "vision", "r", ["l"])
        assert taken(engine) == expected
    for expected in ([run], []):
        catalog.finish_run(1, FinishRun(id="r", entity="team", project="vision"))
        assert taken(engine) == expected


def test_an_id_never_comes_twice(catalog: Catalog, engine: Engine) -> None:
    ids = []
    for n in range(3):
        catalog.commit([make_head(n)])
        with engine.begin() as connection:
            ids += connection.scalars(select(outbox.c.id)).all()
        taken(engine)
    assert ids == sorted(set(ids))
    assert len(ids) == 3


def test_the_age_of_a_row_is_told_by_the_databases_clock(catalog: Catalog, engine: Engine) -> None:
    catalog.commit([make_head(1)])
    clock = {
        "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
        "postgresql": "extract(epoch FROM clock_timestamp())",
    }[engine.dialect.name]
    with engine.begin() as connection:
        age = connection.scalar(text(f"SELECT {clock} - created_at FROM outbox"))
    assert age is not None
    assert -0.01 < float(age) < 60


@pytest.mark.parametrize("catalog_url", ["postgres"], indirect=True)
def test_who_edits_a_link_waits_for_who_changes_its_source(catalog: Catalog, engine: Engine) -> None:
    # Else the ids of the source's changes would not ascend as these are committed.
    catalog.commit([make_head(1)])
    catalog.link(1, LinkVersion(**MODEL, version=0, id=b"l" * 16, target=("team", "vision", "shop")), b"")
    edit = EditVersion(**(MODEL | {"name": "shop"}), version=0, revision=1, description=(None, "new"))
    editor = threading.Thread(target=catalog.edit, args=(edit,))
    with engine.begin() as other:
        other.execute(select(collections).where(collections.c.name == "model").with_for_update()).all()
        editor.start()
        editor.join(0.5)
        assert editor.is_alive()
    editor.join()
    assert catalog.version("team", "vision", "model", "v0").description == "new"


def test_an_older_catalog_gets_rows_for_all_it_has(catalog: Catalog, catalog_url: str, engine: Engine) -> None:
    heads = [make_head(n, name=f"c{n % 2}") for n in range(4)]
    catalog.commit([*heads, make_head(3, name="c1")])
    catalog.start_run(1, StartRun(id="r", entity="team", project="vision", name="r"))
    known = sorted(taken(engine), key=str)
    with engine.begin() as connection:
        outbox.drop(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    Catalog.open(catalog_url).close()
    assert sorted(taken(engine), key=str) == known
