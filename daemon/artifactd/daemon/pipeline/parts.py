"""Parts of drafts: a submission's own entries into the catalog, and those of all parts out of it again."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import chain, islice
from typing import BinaryIO

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import Part
from artifactd.daemon.crashpoints import Point, reach
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.manifest_files import ManifestFiles
from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.recovery import submit_of
from artifactd.daemon.queue.submissions import Submission
from artifactd.protocol.errors import ArtifactdError, InvalidRequest
from artifactd.protocol.manifest import Entry, read_manifest

__all__ = ["Parts"]

_Totals = tuple[int, int]
_Built = tuple[BinaryIO, _Totals]


class Parts:
    """Shared by all submissions. Every step may be repeated after a crash: the catalog knows what was done.

    A draft to which nobody came for `expire` seconds takes no part any more.
    """

    def __init__(
        self, *, journal: Journal, catalog: Catalog, calls: CatalogCalls, files: ManifestFiles, expire: float
    ) -> None:
        self._journal = journal
        self._catalog = catalog
        self._calls = calls
        self._files = files
        self._expire = expire

    async def registered(self, submission: Submission) -> bool:
        """Whether its entries are in the catalog, so that its files need not be read again."""
        key = (submission.uid, submission.id)
        return key in await self._calls.in_thread(partial(self._catalog.registered_parts, [key]))

    async def register(self, submission: Submission, manifest: BinaryIO) -> None:
        """Add what the manifest holds to the draft; a part that finishes closes it.

        Raises `Conflict` and `InvalidRequest` as `drafts.put_part` does: then the draft is as it was before.
        """
        await self._calls.in_thread(partial(self._register, submission, manifest))
        reach(Point.PART_REGISTERED)

    async def merge(
        self,
        submission: Submission,
        in_thread: Callable[[Callable[[], _Built]], Awaitable[_Built]],
        store: Callable[[BinaryIO], Awaitable[str]],
    ) -> tuple[str, _Totals]:
        """Store the manifest of the draft that the submission has closed; its digest, and files and bytes in it.

        Raises what `store` raises: then the draft is open again.
        """
        known = await self._calls.in_thread(partial(self._catalog.outcome, submission.uid, submission.id))
        if known is not None:
            # Committed before a crash: the entries are gone, and the commit will find the outcome of then.
            return known.digest, (0, 0)
        try:
            file, totals = await self._calls.repeat(partial(in_thread, partial(self._build, submission)))
            with file:
                return await store(file), totals
        except (ArtifactdError, OSError):
            await self._calls.in_thread(partial(self._catalog.reopen_draft, submission.uid, submission.id))
            raise

    def _register(self, submission: Submission, manifest: BinaryIO) -> None:
        row = self._journal.get(submission.position)
        assert submission.draft is not None
        if row is None:
            raise InvalidRequest("its journal row is gone", subject=submission.id.hex())
        submit = submit_of(row.body)
        who = f"run {submit.run}" if submit.run else "a writer without a run"
        part = Part(
            uid=row.uid,
            id=row.id,
            body_hash=row.body_hash,
            entity=submit.entity,
            project=submit.project,
            name=submit.name,
            type=submit.type,
            distributed_id=submission.draft.distributed_id,
            finishes=submission.draft.finish,
            writer=f"{who} of uid {row.uid} on {socket.gethostname()} (submission {row.id.hex()})",
            run=submit.run,
            aliases=submit.aliases,
            tags=submit.tags,
            description=submit.description,
            metadata=submit.metadata,
            ttl=submit.ttl,
        )
        manifest.seek(0)
        self._catalog.register_part(part, read_manifest(manifest), expire=self._expire, began=submission.began)

    def _build(self, submission: Submission) -> _Built:
        """Write the manifest of all parts to an unnamed file, which the caller closes."""
        pages = self._pages(submission)
        # A second page tells that the draft is large.
        first = list(islice(pages, 2))
        files = size = 0

        def counted() -> Iterator[Entry]:
            nonlocal files, size
            for entry in chain.from_iterable(chain(first, pages)):
                files += 1
                size += entry.size
                yield entry

        file = self._files.write(counted(), sum(map(len, first)))
        return file, (files, size)

    def _pages(self, submission: Submission) -> Iterator[list[Entry]]:
        after = ""
        while page := self._catalog.draft_page(submission.uid, submission.id, after):
            yield page
            after = page[-1].path
