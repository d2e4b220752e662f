"""Looking references up and fetching them: the handler by the scheme, bounded, repeated by the kind of error."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import trio

from artifactd.daemon.references.base import Asker, Handler, changed
from artifactd.daemon.references.expansion import check_found, too_many
from artifactd.daemon.references.handlers import Handlers
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.stores.asyncio_bridge import open_bridge
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.retry import delay
from artifactd.daemon.stores.s3.options import S3Options
from artifactd.protocol.errors import ArtifactdError, ArtifactNotFound, Denied, InvalidRequest, OutOfSpace
from artifactd.protocol.manifest import Entry
from artifactd.protocol.messages import FoundObject
from artifactd.protocol.references import shown

__all__ = ["PATIENT", "QUICK", "References", "open_references"]

PATIENT = 10
"""Attempts, over about two minutes: for what was accepted, whose server may be about to restart."""
QUICK = 4
"""Attempts, over about two seconds: somebody waits for the answer."""

_AT_ONCE = 32
_PASSING = frozenset({Kind.TRANSIENT, Kind.THROTTLED, Kind.UNKNOWN_OUTCOME})
_ERRORS: dict[Kind, type[ArtifactdError]] = {
    Kind.NOT_FOUND: ArtifactNotFound,
    Kind.DENIED: Denied,
    Kind.PERMANENT: InvalidRequest,
}

Result = TypeVar("Result")


class References:
    """So many requests at once, over all who ask. Made by `open_references`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._free = trio.CapacityLimiter(_AT_ONCE)

    async def look_up(
        self, uri: str, limit: int, asker: Asker, *, attempts: int
    ) -> AsyncGenerator[list[FoundObject], None]:
        """What is at `uri`: the very object, or else page by page what is below it; close it when stopping early.

        Raises `InvalidRequest` for more than `limit` objects, `ArtifactNotFound` for none, `Denied`, and
        `ArtifactdError` when the server does not answer.
        """
        handler = await self._handlers.of(uri)
        found = await self._patiently(partial(handler.look_up, uri, asker), uri, attempts)
        if found is not None:
            yield [check_found(found)]
            return
        count, token, more = 0, "", True
        while more:
            page, token = await self._patiently(partial(handler.page, uri, token, asker), uri, attempts)
            count, more = count + len(page), bool(token)
            if count > limit:
                raise too_many(uri, limit)
            yield [check_found(item) for item in page]
        if not count:
            raise ArtifactNotFound("there is neither such an object nor anything below it", subject=shown(uri))

    async def fetch(self, entry: Entry, fd: int, room: int, asker: Asker, *, attempts: int) -> None:
        """Make the file `fd` what the entry recorded, if that takes at most `room` bytes.

        Raises `ReferenceChanged` if it is not there in that state any more, `OutOfSpace`, and as `look_up`.
        """
        assert entry.reference is not None
        if entry.size > room:
            raise _no_room(entry)
        uri = entry.reference.uri
        handler = await self._handlers.of(uri)
        await self._patiently(partial(_fetch, handler, entry, fd, room, asker), uri, attempts)

    async def _patiently(self, call: Callable[[], Awaitable[Result]], uri: str, attempts: int) -> Result:
        attempt = 0
        while True:
            try:
                async with self._free:
                    return await call()
            except StoreError as error:
                attempt += 1
                if error.kind not in _PASSING or attempt >= attempts:
                    kind = _ERRORS.get(error.kind, ArtifactdError)
                    raise kind(f"the reference cannot be followed: {error.reason}", subject=shown(uri)) from error
                await trio.sleep(delay(error.kind, attempt, random.random()) or 0.0)


async def _fetch(handler: Handler, entry: Entry, fd: int, room: int, asker: Asker) -> None:
    """One attempt, from the beginning: nobody says that the rest would be of the same object."""
    os.lseek(fd, 0, os.SEEK_SET)
    os.ftruncate(fd, 0)
    is_known = bool(entry.digest) or entry.size > 0
    recorded = f"{entry.size} bytes" if is_known else "this object"
    try:
        size = await handler.fetch(entry, fd, limit=entry.size if is_known else room, asker=asker)
    except StoreError as error:
        if error.kind is Kind.NOT_FOUND:
            raise changed(entry, recorded, f"nothing ({error.reason})") from error
        if error.kind is not Kind.CONFLICT:
            raise
        if is_known:
            raise changed(entry, recorded, "more") from error
        raise _no_room(entry) from error
    if is_known and size != entry.size:
        raise changed(entry, recorded, f"{size} bytes")


def _no_room(entry: Entry) -> OutOfSpace:
    return OutOfSpace("what it refers to does not fit on the daemon's disk", subject=entry.path)


@asynccontextmanager
async def open_references(policy: Policy, s3: S3Options) -> AsyncIterator[References]:
    """Follow references for as long as the context lasts; `s3` says how S3 is reached."""
    async with open_bridge() as bridge:
        handlers = Handlers(bridge, policy, s3)
        try:
            yield References(handlers)
        finally:
            with trio.CancelScope(shield=True):
                await handlers.aclose()
