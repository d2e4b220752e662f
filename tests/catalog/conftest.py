from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_heads import Delete
from sqlalchemy import create_engine, select

from artifactd.daemon.catalog import Catalog
from artifactd.daemon.catalog.schema import collections, versions


@pytest.fixture(params=["sqlite"])
def catalog_url(tmp_path: Path) -> str:
    """The URL of an empty database; one parameter for each database that the catalog supports."""
    return f"sqlite:///{tmp_path}/home/catalog.db"


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    catalog = Catalog.open(catalog_url)
    yield catalog
    catalog.close()


@pytest.fixture
def delete_version(catalog: Catalog, catalog_url: str) -> Iterator[Delete]:
    """Mark a version as deleted, as a later release will."""
    engine = create_engine(catalog_url)

    def delete(entity: str, project: str, name: str, number: int) -> None:
        owner = select(collections.c.id).where(
            collections.c.entity == entity, collections.c.project == project, collections.c.name == name
        )
        with engine.begin() as connection:
            marked = connection.execute(
                versions.update()
                .where(versions.c.collection_id == owner.scalar_subquery(), versions.c.number == number)
                .values(deleted_at=time.time())
            )
            assert marked.rowcount == 1

    yield delete
    engine.dispose()
