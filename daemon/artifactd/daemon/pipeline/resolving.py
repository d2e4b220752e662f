"""Looking up what the references of one submission stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from itertools import islice

import trio

from artifactd.daemon.pipeline.found_entries import FoundEntries
from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.expansion import entry_of, recorded
from artifactd.daemon.references.references import PATIENT, References
from artifactd.protocol.errors import ArtifactdError
from artifactd.protocol.manifest import DraftEntry, Entry

__all__ = ["resolve"]

_AT_ONCE = 256


async def resolve(
    references: References, drafted: Iterator[DraftEntry], asker: Asker, found: FoundEntries
) -> None:
    """Put the entries of all drafted references into `found`. Raises the first `ArtifactdError` or `OSError`."""
    adding = trio.Lock()
    failures: list[Exception] = []

    async def add(entries: Sequence[Entry]) -> None:
        async with adding:
            await trio.to_thread.run_sync(found.add, entries)

    async def one(entry: DraftEntry, siblings: trio.CancelScope) -> None:
        assert entry.reference is not None
        uri, limit = entry.reference.uri, entry.reference.limit
        try:
            async with aclosing(references.look_up(uri, limit, asker, attempts=PATIENT)) as pages:
                async for page in pages:
                    await add([entry_of(entry, item) for item in page])
        except (ArtifactdError, OSError) as error:
            # Raised inside a nursery it would arrive as a group; the first error is the one to tell.
            failures.append(error)
            siblings.cancel()

    while some := await trio.to_thread.run_sync(lambda: list(islice(drafted, _AT_ONCE))):
        await add([recorded(entry) for entry in some if _is_resolved(entry)])
        async with trio.open_nursery() as nursery:
            for entry in some:
                if not _is_resolved(entry):
                    nursery.start_soon(one, entry, nursery.cancel_scope)
        if failures:
            raise failures[0]


def _is_resolved(entry: DraftEntry) -> bool:
    return entry.reference is not None and entry.reference.digest is not None
