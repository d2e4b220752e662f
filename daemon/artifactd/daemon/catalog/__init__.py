"""The catalog of versions: what was committed, under which number, aliases and tags, and where its bytes lie."""

from __future__ import annotations

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.commit import MAX_HEADS
from artifactd.daemon.catalog.records import (
    BlobLocation,
    CatalogUnavailable,
    CatalogUnusable,
    CommitRefused,
    Committed,
    Fenced,
    Head,
    Outcome,
    Part,
)

__all__ = [
    "MAX_HEADS",
    "BlobLocation",
    "Catalog",
    "CatalogUnavailable",
    "CatalogUnusable",
    "CommitRefused",
    "Committed",
    "Fenced",
    "Head",
    "Outcome",
    "Part",
]
