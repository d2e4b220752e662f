"""The reader of another process: it changes nothing, sees what is committed, and gives every row once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from catalog_heads import Delete, digest, make_head
from sqlalchemy import create_engine, text

from artifactd.daemon.catalog import BlobLocation, Catalog, CatalogUnavailable, CatalogUnusable, pages
from artifactd.daemon.catalog.connecting import parse
from artifactd.daemon.catalog.reader import CatalogReader


def set_revision(url: str, revision: str) -> None:
    engine = create_engine(parse(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()


def revision(url: str) -> str:
    engine = create_engine(parse(url))
    with engine.begin() as connection:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    return str(found)


def register(catalog: Catalog, entity: str, count: int) -> None:
    catalog.register_blobs(
        [(entity, digest(number), BlobLocation(f"{entity}/{number}", 0, number)) for number in range(count)]
    )


@pytest.mark.parametrize("other", ["from-2031", "0001"])
def test_another_releases_catalog_is_refused_naming_both_revisions_and_stays_as_it_is(
    catalog_url: str, other: str
) -> None:
    Catalog.open(catalog_url).close()
    known = revision(catalog_url)
    set_revision(catalog_url, other)
    with pytest.raises(CatalogUnusable, match=rf"{other}.*\b{known}\b"):
        CatalogReader.open(catalog_url)
    assert revision(catalog_url) == other


def test_an_empty_database_is_no_catalog_and_stays_empty(catalog_url: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "catalog.db").touch()
    with pytest.raises(CatalogUnusable, match="no catalog"):
        CatalogReader.open(catalog_url)
    with pytest.raises(CatalogUnusable, match="no catalog"):
        CatalogReader.open(catalog_url)


def test_a_refusal_shows_the_file_and_no_secret(tmp_path: Path, postgres_url: str) -> None:
    sqlite3.connect(tmp_path / "catalog.db").close()
    with pytest.raises(CatalogUnusable, match=f"sqlite:///{tmp_path}/catalog.db is no catalog"):
        CatalogReader.open(f"sqlite:///{tmp_path}/catalog.db")
    with pytest.raises(CatalogUnusable) as caught:
        CatalogReader.open(postgres_url.replace("@", ":hush@") + "?application_name=hush")
    assert "hush" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnusable, match=r"no catalog at .*catalog\.db"):
        CatalogReader.open(f"sqlite:///{tmp_path}/home/catalog.db")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(CatalogUnavailable):
        CatalogReader.open("postgresql://127.0.0.1:9/catalog")


@pytest.mark.parametrize("name", ["catalog.db", "a ?#%41&b.db"])
def test_what_a_killed_daemon_left_in_the_log_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Catalog.open(parse("sqlite:///x").set(database=str(path))).close()
    code = (
        "import os, sqlite3, sys; _, path, row = sys.argv; connection = sqlite3.connect(path); "
        "connection.execute(row); connection.commit(); os._exit(0)"
    )
    row = "INSERT INTO blobs (entity, digest, key, \"offset\", length) VALUES ('team', 'd', 'k', 0, 7)"
    subprocess.run([sys.executable, "-c", code, str(path), row], check=True)
    assert Path(f"{path}-wal").stat().st_size > 0
    before = path.read_bytes()
    reader = CatalogReader.open(parse("sqlite:///x").set(database=str(path)))
    assert reader.known_blobs("team", ["d"]) == {"d": BlobLocation("k", 0, 7)}
    reader.close()
    assert path.read_bytes() == before


def test_the_file_cannot_be_written_through_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    Catalog.open(url).close()
    reader = CatalogReader.open(url)
    with reader._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = OFF")
        with pytest.raises(Exception, match="readonly"):
            connection.exec_driver_sql("DELETE FROM blobs")
    reader.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_what_root_makes_beside_the_file_belongs_to_the_files_owner(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    Catalog.open(url).close()
    for path in (tmp_path, tmp_path / "catalog.db"):
        os.chown(path, 65534, 65534)
    CatalogReader.open(url).close()
    assert {path.stat().st_uid for path in tmp_path.iterdir()} == {65534}


def test_each_call_sees_what_was_committed_before_it(catalog: Catalog, catalog_url: str) -> None:
    reader = CatalogReader.open(catalog_url)
    assert reader.known_blobs("team", [digest(0)]) == {}
    register(catalog, "team", 1)
    assert reader.known_blobs("team", [digest(0)]) == {digest(0): BlobLocation("team/0", 0, 0)}
    reader.close()


def test_pages_give_every_blob_of_an_entity_once_in_the_order_of_digests(
    catalog: Catalog, catalog_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 3)
    register(catalog, "team", 7)
    register(catalog, "other", 2)
    reader = CatalogReader.open(catalog_url)
    found: list[str] = []
    while page := reader.blobs("team", found[-1] if found else ""):
        assert len(page) <= 3
        assert {row.entity for row in page} == {"team"}
        found += [row.digest for row in page]
    assert found == [digest(number) for number in range(7)]
    assert reader.entities() == ["other", "team"]
    reader.close()


def test_pages_give_every_live_version_once_with_its_address(
    catalog: Catalog, catalog_url: str, delete_version: Delete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    catalog.commit([make_head(number) for number in range(4)])
    catalog.commit([make_head(7, name="other"), make_head(8, entity="elsewhere")])
    delete_version("team", "vision", "model", 1)
    reader = CatalogReader.open(catalog_url)
    found: list[pages.VersionRow] = []
    while page := reader.versions((found[-1].collection_id, found[-1].number) if found else (0, 0)):
        assert len(page) <= 2
        found += page
    assert sorted((row.address, row.digest) for row in found) == [
        ("elsewhere/vision/model:v0", digest(8)),
        ("team/vision/model:v0", digest(0)),
        ("team/vision/model:v2", digest(2)),
        ("team/vision/model:v3", digest(3)),
        ("team/vision/other:v0", digest(7)),
    ]
    assert reader.entities() == ["elsewhere", "team"]
    reader.close()


def test_a_version_lives_until_it_is_deleted_with_the_contents_that_it_has(
    catalog: Catalog, catalog_url: str, delete_version: Delete
) -> None:
    catalog.commit([make_head(number) for number in range(2)])
    reader = CatalogReader.open(catalog_url)
    first, second = reader.versions((0, 0))
    delete_version("team", "vision", "model", 0)
    assert [reader.is_live(version) for version in (first, second)] == [False, True]
    assert not reader.is_live(replace(second, digest=digest(5)))
    reader.close()
