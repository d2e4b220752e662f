from __future__ import annotations

from collections.abc import Iterator

import pytest
from catalog_heads import Delete

from artifactd.daemon.catalog import Catalog
from artifactd.protocol.messages import DeleteVersion


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
