"""The catalog: one transaction for each method."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import OperationalError

from artifactd.daemon.catalog.blobs import add_blobs, find_blobs, find_with_condemned, take_back
from artifactd.daemon.catalog.commit import MAX_HEADS, commit_heads, recorded_outcomes
from artifactd.daemon.catalog.connecting import close, connect, parse, writing
from artifactd.daemon.catalog.drafts import expire_draft, page_of_draft, part_keys, put_part, reopen_draft
from artifactd.daemon.catalog.editing import delete_version, edit_version
from artifactd.daemon.catalog.lineage import find_run, list_run_versions, list_runs, list_users
from artifactd.daemon.catalog.linking import link_version
from artifactd.daemon.catalog.listing import list_collections, list_types, list_versions
from artifactd.daemon.catalog.members import Member, check_member, hear, join
from artifactd.daemon.catalog.migrate import migrate
from artifactd.daemon.catalog.outbox.taking import Taken, forget, take
from artifactd.daemon.catalog.own_words import own_words
from artifactd.daemon.catalog.reading import find_version
from artifactd.daemon.catalog.records import (
    BlobLocation,
    CatalogUnavailable,
    CommitRefused,
    Committed,
    Fenced,
    Head,
    Outcome,
    Part,
)
from artifactd.daemon.catalog.runs import RunEnd, add_input, crash_run, end_run, put_run
from artifactd.protocol import messages
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import Entry

__all__ = ["Catalog"]


class Catalog:
    """Versions, aliases, tags, runs, lineage, blob locations and the outcomes of submissions.

    Every method is one transaction, blocks its thread, and may be called from several threads at once; a call
    can't be cancelled. All raise `CatalogUnavailable` when the database can't answer now, and all but `commit`
    raise `InvalidRequest` for values that it can't take, such as an integer of 65 bits. Whoever opened the catalog
    closes it, when no call is under way.

    Once it has joined, `commit` and what registers parts and blobs raise `Fenced` when it is a member no more.
    """

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._member: Member | None = None
        self._migrating = threading.Lock()
        self._migrated = False
        self._changed: Callable[[], object] = _nobody

    @classmethod
    def open(cls, url: str | URL) -> Catalog:
        """Connect, creating what is missing, and migrate to this release's schema.

        A file's missing directory is made for its owner only. A server that can't be reached now is no reason to
        fail: the first call that reaches it migrates. Raises `CatalogUnusable` for a URL that is not supported
        and, from that call too, for a database of a newer release; `CatalogUnavailable`.
        """
        catalog = cls(*connect(parse(url)))
        with ExitStack() as undo:
            undo.callback(catalog.close)
            try:
                catalog._migrate()
            except CatalogUnavailable as error:
                if catalog._writer.dialect.name == "sqlite" or not isinstance(error.__cause__, OperationalError):
                    raise
            undo.pop_all()
        return catalog

    def _migrate(self) -> None:
        with self._migrating:
            if not self._migrated:
                with writing(self._writer) as connection:
                    migrate(connection)
                self._migrated = True

    def close(self) -> None:
        """Close every connection; on SQLite the last one, the writer's, checkpoints."""
        close(self._reader, self._writer)

    def join(self, daemon: str, host: str, release: str) -> int:
        """Take part as the daemon of this name, and fence whoever took part by that name; the current epoch."""
        with self._writing() as connection:
            self._member, epoch = join(connection, daemon, host, release)
        return epoch

    def hear(self, oldest_check: int) -> int:
        """Say that nothing under way looked for blobs before the epoch `oldest_check`; the current epoch.

        Raises `Fenced`.
        """
        assert self._member is not None
        with self._writing() as connection:
            return hear(connection, self._member, oldest_check)

    def tell_changes(self, changed: Callable[[], object]) -> None:
        """Call `changed` after each transaction that may have left something in the outbox, in its thread."""
        self._changed = changed

    def take(self) -> Taken:
        """The oldest of what is in the outbox, with the records that cover it; it stays there."""
        with self._reading() as connection:
            return take(connection)

    def forget(self, ids: Sequence[int]) -> None:
        """Take out of the outbox what is covered by stored records; what is gone already is no matter."""
        with self._writing() as connection:
            forget(connection, ids)

    def commit(self, heads: Sequence[Head]) -> list[Committed | CommitRefused]:
        """Commit at most `MAX_HEADS` heads, in order, in one transaction; one result for each head, in order.

        A head that was committed before gets the outcome of then, and nothing changes: not even `latest`. A
        head that is refused leaves the others as if it had not been there. After `CatalogUnavailable` the
        outcome is unknown: commit the same heads again, or ask for each `outcome`.
        """
        if len(heads) > MAX_HEADS:
            raise ValueError(f"{len(heads)} heads exceed the {MAX_HEADS} of one transaction")
        try:
            with self._changing() as connection:
                return commit_heads(connection, heads)
        except InvalidRequest as error:
            if len(heads) == 1:
                return [CommitRefused(error.message)]
            return [result for head in heads for result in self.commit([head])]

    def outcome(self, uid: int, id: bytes) -> Outcome | None:
        """What became of a submission, or None if it was never committed."""
        with self._reading() as connection:
            return recorded_outcomes(connection, [(uid, id)]).get((uid, id))

    def outcomes(self, keys: Sequence[tuple[int, bytes]]) -> dict[tuple[int, bytes], Outcome]:
        """`outcome` of many submissions `(uid, id)`, at most `MAX_HEADS`; those never committed are left out."""
        with self._reading() as connection:
            return recorded_outcomes(connection, keys)

    def register_part(
        self, part: Part, entries: Iterable[Entry], *, expire: float = math.inf, began: int | None = None
    ) -> None:
        """Add a part with its entries, sorted by path, to its draft, once; see `drafts.put_part`.

        Its submission began in the epoch `began`. Raises `Conflict` and `InvalidRequest`; after
        `CatalogUnavailable` give it all entries again.
        """
        with self._writing_as_member(began) as connection:
            put_part(connection, part, entries, expire)

    def registered_parts(self, keys: Sequence[tuple[int, bytes]]) -> set[tuple[int, bytes]]:
        """Which of at most `MAX_HEADS` submissions `(uid, id)` are registered as parts of drafts."""
        with self._reading() as connection:
            return part_keys(connection, keys)

    def draft_page(self, uid: int, id: bytes, after: str) -> list[Entry]:
        """The next 10,000 files of the draft that the submission is a part of, behind the path `after`."""
        with self._reading() as connection:
            return page_of_draft(connection, (uid, id), after)

    def reopen_draft(self, uid: int, id: bytes) -> None:
        """The submission that closed a draft has failed: the draft is as it was before. Else nothing happens."""
        with self._writing() as connection:
            reopen_draft(connection, (uid, id))

    def expire_draft(self, seconds: float) -> str | None:
        """End one draft to which no part has come for `seconds`; says which, or None if there is none."""
        with self._writing() as connection:
            return expire_draft(connection, seconds)

    def known_blobs(self, entity: str, digests: Collection[str]) -> dict[str, BlobLocation]:
        """The locations of those blobs that `entity` has already: one query for each 10,000 digests."""
        with self._reading() as connection:
            return find_blobs(connection, entity, digests)

    def reuse_blobs(self, entity: str, digests: Collection[str]) -> dict[str, BlobLocation]:
        """`known_blobs` for one who will commit what refers to them: no collector deletes them meanwhile."""
        with self._reading() as connection:
            known, condemned = find_with_condemned(connection, entity, digests)
        if condemned:
            with self._writing() as connection:
                take_back(connection, entity, condemned)
                taken = find_blobs(connection, entity, condemned)
            known = {digest: known[digest] for digest in known.keys() - condemned} | taken
        return known

    def register_blobs(self, rows: Sequence[tuple[str, str, BlobLocation]], *, began: int | None = None) -> None:
        """Record `(entity, digest, location)` of stored blobs; see `blobs.add_blobs`.

        No upload of them began before the epoch `began`.
        """
        with self._writing_as_member(began) as connection:
            add_blobs(connection, rows)

    def version(
        self, entity: str, project: str, name: str, alias: str, *, type: str | None = None
    ) -> messages.Version:
        """The version that `alias`, or `v<number>`, names.

        Raises `ArtifactNotFound`, naming what exists; `InvalidRequest` when the collection is not of `type`.
        """
        with self._reading() as connection:
            return find_version(connection, entity, project, name, alias, type)

    def collections(self, request: messages.GetCollections) -> messages.Collections:
        """A page of 1 to 1,000 collections, by (project, name)."""
        with self._reading() as connection:
            return list_collections(connection, request)

    def versions(self, request: messages.GetVersions) -> messages.Versions:
        """A page of 1 to 1,000 versions, newest first; shorter where their texts fill a message.

        Raises `ArtifactNotFound` when there is no such collection, `InvalidRequest` when it has another type.
        """
        with self._reading() as connection:
            return list_versions(connection, request)

    def types(self, request: messages.GetTypes) -> messages.Types:
        """The types of one project's collections, by name."""
        with self._reading() as connection:
            return list_types(connection, request)

    def edit(self, request: messages.EditVersion) -> messages.Version:
        """Edit a version, all or nothing; repeating an edit is harmless.

        Raises `Conflict` where somebody else changed the same, `ArtifactNotFound`.
        """
        with self._changing() as connection:
            return edit_version(connection, request)

    def delete(self, request: messages.DeleteVersion) -> None:
        """Delete a version, once. Raises `InvalidRequest` for one that keeps aliases, `ArtifactNotFound`."""
        with self._changing() as connection:
            delete_version(connection, request)

    def link(self, uid: int, request: messages.LinkVersion, body_hash: bytes) -> messages.Version:
        """Link a version into another collection of its entity; `(uid, request.id)` takes effect once.

        Raises `ArtifactNotFound`, `Denied`, `Conflict` and `InvalidRequest`.
        """
        with self._changing() as connection:
            return link_version(connection, uid, request, body_hash)

    def run(self, entity: str, project: str, id: str) -> messages.RunRecord:
        """One run. Raises `ArtifactNotFound`."""
        with self._reading() as connection:
            return find_run(connection, entity, project, id)

    def runs(self, request: messages.GetRuns) -> messages.Runs:
        """A page of 1 to 1,000 runs of a project, by (start, id); shorter where their configs fill a message."""
        with self._reading() as connection:
            return list_runs(connection, request)

    def users(self, request: messages.GetUsers) -> messages.Runs:
        """A page of the runs that used a version. Raises `ArtifactNotFound` when there is no such version."""
        with self._reading() as connection:
            return list_users(connection, request)

    def run_versions(self, request: messages.GetRunVersions) -> messages.Versions:
        """A page of the versions that a run logged or used. Raises `InvalidRequest` for an unknown role."""
        with self._reading() as connection:
            return list_run_versions(connection, request)

    def start_run(self, uid: int, request: messages.StartRun) -> None:
        """Record a run, or the return of one; see `runs.put_run`. Raises `Denied`, `InvalidRequest`."""
        with self._changing() as connection:
            put_run(connection, uid, request)

    def finish_run(self, uid: int, request: messages.FinishRun) -> None:
        """Close a run. Raises `InvalidRequest` for an unknown state, `ArtifactNotFound`, `Denied`."""
        with self._changing() as connection:
            end_run(connection, uid, request)

    def crash_run(self, uid: int, entity: str, project: str, id: str, locks: Collection[str]) -> RunEnd | None:
        """Close a run as crashed if it runs, is of `uid`, and was started last with one of the free `locks`.

        Returns how a run that was started so ended, None if there is none.
        """
        with self._changing() as connection:
            return crash_run(connection, uid, entity, project, id, locks)

    def record_use(self, uid: int, entity: str, project: str, run: str, version: messages.Version) -> None:
        """Record `version` as input of the run `entity/project/run`, once.

        Raises `ArtifactNotFound` for a run that was never started and an unknown version, `Denied` for another
        user's run.
        """
        with self._changing() as connection:
            add_input(connection, uid, entity, project, run, version)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        self._migrate()
        with writing(self._writer) as connection:
            yield connection

    @contextmanager
    def _writing_as_member(self, began: int | None = None) -> Iterator[Connection]:
        """`began` is the epoch in which it began what it writes for, and which it must not have given up since."""
        with self._writing() as connection:
            if self._member is not None:
                oldest = check_member(connection, self._member)
                if began is not None and began < oldest:
                    raise Fenced("what it relies on may be gone: nobody was waiting for it any more")
            yield connection

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self._writing_as_member() as connection:
            yield connection
        self._changed()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._migrate()
        with own_words(), self._reader.begin() as connection:
            yield connection


def _nobody() -> None:
    """Nobody wants to know."""
