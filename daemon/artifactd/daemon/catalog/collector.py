"""The catalog for a process that deletes what nothing refers to, beside daemons at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import URL, ColumnElement, Connection, Engine

from artifactd.daemon.catalog import collecting, members, retention
from artifactd.daemon.catalog.collecting import CollectedBlob
from artifactd.daemon.catalog.connecting import close, connect, connect_to_read, parse, writing
from artifactd.daemon.catalog.migrate import check_revision
from artifactd.daemon.catalog.own_words import own_words
from artifactd.daemon.catalog.pages import list_entities
from artifactd.daemon.catalog_url import shown_catalog_url

__all__ = ["Collector"]


class Collector:
    """Every method is one transaction, blocks its thread, and may be repeated after `CatalogUnavailable`.

    Whoever opened it closes it, when no call is under way.
    """

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader

    @classmethod
    def open(cls, url: str | URL) -> Collector:
        """Connect to a catalog that is there and has this release's schema.

        Raises `CatalogUnusable` like `CatalogReader.open`, `CatalogUnavailable`.
        """
        parsed = parse(url)
        # A file that is not there is not made.
        connect_to_read(parsed).dispose()
        collector = cls(*connect(parsed))
        try:
            with collector._reading() as connection:
                check_revision(connection, shown_catalog_url(parsed.render_as_string()))
        except BaseException:
            collector.close()
            raise
        return collector

    def close(self) -> None:
        """Close every connection."""
        close(self._reader, self._writer)

    def entities(self) -> list[str]:
        """Everybody who has a blob or a collection, by name."""
        with self._reading() as connection:
            return list_entities(connection)

    def horizon(self) -> int:
        """The epoch before which no member's checks reach."""
        with self._reading() as connection:
            return members.horizon(connection)

    def members(self) -> list[tuple[str, int, float]]:
        """The members: who it is, its oldest check, and how many seconds ago it was heard."""
        with self._reading() as connection:
            return members.list_members(connection)

    def fence_silent(self, seconds: float) -> list[str]:
        """See `members.fence_silent`."""
        with self._writing() as connection:
            return members.fence_silent(connection, seconds)

    def roots(self, entity: str, see: Callable[[Iterator[str], Iterator[tuple[int, int, str]]], None]) -> None:
        """Call `see` with what unfinished drafts refer to, and with all live versions, of one moment.

        `see` takes them one after the other, in this order, within a minute or so.
        """
        with self._reading() as connection:
            see(collecting.draft_digests(connection, entity), collecting.version_digests(connection, entity))

    def blobs(self, entity: str, after: str, which: ColumnElement[bool]) -> list[CollectedBlob]:
        """See `collecting.page_of`."""
        with self._reading() as connection:
            return collecting.page_of(connection, entity, after, which)

    def find(self, entity: str, digests: Sequence[str]) -> list[CollectedBlob]:
        """See `collecting.find_blob_rows`."""
        with self._reading() as connection:
            return collecting.find_blob_rows(connection, entity, digests)

    def condemn(self, entity: str, digests: Sequence[str]) -> list[str]:
        """See `collecting.condemn`."""
        with self._writing() as connection:
            return collecting.condemn(connection, entity, digests)

    def advance(self) -> int:
        """Let the next epoch begin; which it is."""
        with self._writing() as connection:
            return collecting.advance(connection)

    def spare(self, entity: str, digests: Sequence[str]) -> None:
        """See `collecting.spare`."""
        with self._writing() as connection:
            collecting.spare(connection, entity, digests)

    def doom(self, entity: str, digests: Sequence[str], horizon: int) -> list[str]:
        """See `collecting.doom`."""
        with self._writing() as connection:
            return collecting.doom(connection, entity, digests, horizon)

    def forget(self, entity: str, gone: Sequence[CollectedBlob]) -> None:
        """See `collecting.forget`."""
        with self._writing() as connection:
            collecting.forget(connection, entity, gone)

    def expired(self) -> list[retention.Expired]:
        """See `retention.expired_versions`."""
        with self._reading() as connection:
            return retention.expired_versions(connection)

    def delete_expired(self, version: retention.Expired) -> bool:
        """See `retention.delete_expired`."""
        with self._writing() as connection:
            return retention.delete_expired(connection, version)

    def policies(self) -> list[tuple[str, retention.Policy]]:
        """See `retention.policies`."""
        with self._reading() as connection:
            return retention.policies(connection)

    def set_policy(self, entity: str, project: str, name: str, policy: retention.Policy) -> None:
        """See `retention.set_policy`."""
        with self._writing() as connection:
            retention.set_policy(connection, entity, project, name, policy)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with writing(self._writer) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with own_words(), self._reader.begin() as connection:
            yield connection
