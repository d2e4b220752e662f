from __future__ import annotations

from collections.abc import Iterator

import pytest

from artifactd.daemon.catalog import Catalog
from maintenance.support import Stock


@pytest.fixture
def stock(catalog_url: str) -> Iterator[Stock]:
    """One for each kind of catalog."""
    catalog = Catalog.open(catalog_url)
    yield Stock(catalog_url, catalog)
    catalog.close()
