"""The catalog for processes that only read it, beside daemons at work: nothing is made, migrated or changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import URL, Connection, Engine

from artifactd.daemon.catalog.blobs import find_blobs
from artifactd.daemon.catalog.connecting import connect_to_read, parse
from artifactd.daemon.catalog.migrate import check_revision
from artifactd.daemon.catalog.own_words import own_words
from artifactd.daemon.catalog.pages import (
    BlobRow,
    VersionRow,
    is_live,
    list_entities,
    page_of_blobs,
    page_of_versions,
)
from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.catalog_url import shown_catalog_url

__all__ = ["CatalogReader"]


class CatalogReader:
    """Every method is one short transaction that sees all that was committed before it began.

    It blocks its thread, may be called from several threads at once, and can't be cancelled. All raise
    `CatalogUnavailable` when the database can't answer now. Whoever opened the reader closes it, when no call is
    under way.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str | URL) -> Self:
        """Connect to a catalog that is there and has this release's schema.

        Raises `CatalogUnusable` for a URL that is not supported, a file that is not there, and a database that
        another release migrated last, naming both revisions; `CatalogUnavailable`.
        """
        parsed = parse(url)
        reader = cls(*cls._engines(parsed))
        try:
            with reader._reading() as connection:
                check_revision(connection, shown_catalog_url(parsed.render_as_string()))
        except BaseException:
            reader.close()
            raise
        return reader

    @classmethod
    def _engines(cls, url: URL) -> tuple[Engine, ...]:
        return (connect_to_read(url),)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def entities(self) -> list[str]:
        """Everybody who has a blob or a collection, by name."""
        with self._reading() as connection:
            return list_entities(connection)

    def blobs(self, entity: str, after: str) -> list[BlobRow]:
        """The next 10,000 blobs of an entity behind the digest `after`, by digest; fewer at the end."""
        with self._reading() as connection:
            return page_of_blobs(connection, entity, after)

    def versions(self, after: tuple[int, int]) -> list[VersionRow]:
        """The next 10,000 live versions behind `(collection id, number)`, in that order; fewer at the end."""
        with self._reading() as connection:
            return page_of_versions(connection, after)

    def is_live(self, version: VersionRow) -> bool:
        """Whether the version is still there, with these contents."""
        with self._reading() as connection:
            return is_live(connection, version)

    def known_blobs(self, entity: str, digests: Collection[str]) -> dict[str, BlobLocation]:
        """The locations of those blobs that `entity` has: one query for each 10,000 digests."""
        with self._reading() as connection:
            return find_blobs(connection, entity, digests)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with own_words(), self._engine.begin() as connection:
            yield connection
