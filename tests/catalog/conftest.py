from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_heads import Delete

from artifactd.daemon.catalog import Catalog
from artifactd.protocol.messages import DeleteVersion
from servers.postgres import Postgres


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/catalog.db"


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    # A connection that a test forgot must not keep it.
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; one parameter for each database that the catalog supports."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    catalog = Catalog.open(catalog_url)
    yield catalog
    catalog.close()


@pytest.fixture
def delete_version(catalog: Catalog) -> Delete:
    """Delete a version with its aliases."""

    def delete(entity: str, project: str, name: str, number: int) -> None:
        catalog.delete(
            DeleteVersion(entity=entity, project=project, name=name, version=number, delete_aliases=True)
        )

    return delete
