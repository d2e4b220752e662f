"""A catalog that is being rebuilt: empty at first, and closed to everybody else until it is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from sqlalchemy import URL, Connection, Engine, func, select

from artifactd.daemon.catalog.blobs import add_blobs
from artifactd.daemon.catalog.connecting import close, connect, parse, writing
from artifactd.daemon.catalog.dialect import advance
from artifactd.daemon.catalog.migrate import REBUILDING, migrate, revision_of, set_revision
from artifactd.daemon.catalog.outbox.forms import (
    Alias,
    CollectionRecord,
    CommitForm,
    RunRecord,
    VersionAddress,
    VersionForm,
)
from artifactd.daemon.catalog.outbox.restoring import (
    add_aliases,
    add_collection,
    add_commits,
    add_inputs,
    add_run,
    add_versions,
    known_versions,
)
from artifactd.daemon.catalog.records import BlobLocation, CatalogUnusable
from artifactd.daemon.catalog.schema import collections, links, marks, metadata, outbox
from artifactd.daemon.catalog_url import shown_catalog_url

__all__ = ["CatalogNotEmpty", "Link", "Rebuilding"]

Address = tuple[str, str, str]
Link = tuple[int, int, VersionAddress]
"""A version that is a link, by collection id and number, and its source."""


_FILLED = [table for table in metadata.sorted_tables if table is not marks]
"""Tables that are empty at first."""


class CatalogNotEmpty(CatalogUnusable):
    """Something is in the catalog that no rebuild has put there."""


class Rebuilding:
    """Takes what records and listings say. Until `finish`, no daemon opens the catalog.

    Every method that adds or finishes is one transaction, and blocks its thread. All raise `CatalogUnavailable`,
    and `InvalidRequest` for what the database can't take: then the call has changed nothing.
    """

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._ids: dict[Address, int] = {}
        self._taken: set[int] = set()

    @classmethod
    def open(cls, url: str | URL) -> Rebuilding:
        """Begin. What a rebuild that was cut off has left is deleted first.

        Raises `CatalogNotEmpty`, `CatalogUnusable` and `CatalogUnavailable`.
        """
        catalog = cls(*connect(parse(url)))
        try:
            with catalog._writing() as connection:
                _begin(connection)
            for table in reversed(_FILLED):
                with catalog._writing() as connection:
                    connection.execute(table.delete())
        except BaseException:
            catalog.close()
            raise
        return catalog

    def close(self) -> None:
        """Close every connection."""
        close(self._reader, self._writer)

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        return shown_catalog_url(self._writer.url.render_as_string())

    def new_id(self, record: CollectionRecord) -> int:
        """The id of a collection that is to be added: that which it had, if it is free."""
        id = record.id if record.id not in self._taken else next(id for id in count(1) if id not in self._taken)
        self._taken.add(id)
        return id

    def add_blobs(self, rows: Sequence[tuple[str, str, BlobLocation]]) -> None:
        """Blobs by entity and digest; those that are known keep the location they have."""
        with self._writing() as connection:
            add_blobs(connection, rows)

    def add_collection(self, id: int, record: CollectionRecord) -> None:
        """A collection without its versions."""
        with self._writing() as connection:
            add_collection(connection, id, record, record.next_version)
        self._ids[record.entity, record.project, record.name] = id

    def add_versions(
        self, id: int, record: CollectionRecord, forms: Sequence[VersionForm], made: Sequence[CommitForm]
    ) -> None:
        """Some versions of a collection that is there, and commits of these or earlier ones."""
        with self._writing() as connection:
            add_versions(connection, id, record, forms)
            add_commits(connection, id, made)

    def add_aliases(self, id: int, forms: Iterable[Alias]) -> None:
        """Aliases of versions that are there."""
        with self._writing() as connection:
            add_aliases(connection, id, forms)

    def raise_next_version(self, id: int, number: int) -> None:
        """No version of the collection up to `number` is ever given again."""
        with self._writing() as connection:
            connection.execute(
                collections.update()
                .where(collections.c.id == id, collections.c.next_version <= number)
                .values(next_version=number + 1)
            )

    def add_links(self, wanted: Sequence[Link]) -> list[Link]:
        """Sources of links, once all collections are there; those whose source is not are returned."""
        with self._writing() as connection:
            sources = self._known(connection, [source for *_, source in wanted])
            rows = [
                {
                    "collection_id": id,
                    "number": number,
                    "source_collection_id": sources[source][0],
                    "source_number": sources[source][1],
                }
                for id, number, source in wanted
                if source in sources
            ]
            if rows:
                connection.execute(links.insert(), rows)
        return [link for link in wanted if link[2] not in sources]

    def add_run(self, record: RunRecord) -> None:
        """A run, without what it used."""
        with self._writing() as connection:
            add_run(connection, record)

    def add_inputs(self, record: RunRecord, used: Sequence[VersionAddress]) -> list[VersionAddress]:
        """What a run used, once all collections are there; versions that are not there are returned."""
        with self._writing() as connection:
            known = self._known(connection, used)
            add_inputs(connection, record, [known[version] for version in used if version in known])
        return [version for version in used if version not in known]

    def finish(self, revision: int, epoch: int) -> None:
        """The catalog is whole: later records are above `revision`, later keys of blobs above `epoch`.

        Daemons may open it from now on.
        """
        with self._writing() as connection:
            if revision:
                advance(connection, outbox, revision)
            if (last := connection.scalar(select(func.max(collections.c.id)))) is not None:
                advance(connection, collections, last)
            connection.execute(marks.update().values(epoch=epoch + 1))
            set_revision(connection, (revision_of(connection) or "").removeprefix(REBUILDING))

    def _known(
        self, connection: Connection, wanted: Iterable[VersionAddress]
    ) -> dict[VersionAddress, tuple[int, int]]:
        places = {
            version: (id, version.number)
            for version in wanted
            if (id := self._ids.get((version.entity, version.project, version.name))) is not None
        }
        known = known_versions(connection, set(places.values()))
        return {version: place for version, place in places.items() if place in known}

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with writing(self._writer) as connection:
            yield connection


def _begin(connection: Connection) -> None:
    """Close the catalog to everybody else, if it is empty or a rebuild did so before."""
    current = revision_of(connection)
    again = current is not None and current.startswith(REBUILDING)
    if current is not None and again:
        set_revision(connection, current.removeprefix(REBUILDING))
    migrate(connection)
    full = [table.name for table in _FILLED if connection.execute(select(table).limit(1)).first()]
    if full and not again:
        shown = shown_catalog_url(connection.engine.url.render_as_string())
        raise CatalogNotEmpty(
            f"the catalog {shown} is not empty (it has {', '.join(full)}): "
            "a catalog is rebuilt into an empty database only"
        )
    set_revision(connection, f"{REBUILDING}{revision_of(connection)}")
