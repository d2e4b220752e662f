"""The catalog for a process that deletes what nothing refers to, beside daemons at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import URL, ColumnElement, Connection, Engine

from artifactd.daemon.catalog import collecting, members, retention
from artifactd.daemon.catalog.collecting import CollectedBlob
from artifactd.daemon.catalog.connecting import close, connect, writing
from artifactd.daemon.catalog.reader import CatalogReader

__all__ = ["Collector"]


class Collector(CatalogReader):
    """A reader that writes as well. Every method may be repeated after `CatalogUnavailable`."""

    def __init__(self, engine: Engine, writer: Engine) -> None:
        super().__init__(engine)
        self._writer = writer

    @classmethod
    def _engines(cls, url: URL) -> tuple[Engine, ...]:
        writer, _ = connect(url)
        return (*super()._engines(url), writer)

    def close(self) -> None:
        """Close every connection."""
        close(self._engine, self._writer)

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

    def page_of(self, entity: str, after: str, which: ColumnElement[bool]) -> list[CollectedBlob]:
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
