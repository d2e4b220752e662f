"""`gs://bucket/object`, with `#generation` where one generation is meant."""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from artifactd.daemon.references.base import Asker, Observed, check_unchanged
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.remote.gs import GsObject, RemoteGs
from artifactd.protocol.manifest import Entry
from artifactd.protocol.messages import FoundObject

__all__ = ["Address", "Gs", "parse"]

_BUCKET = r"gs://(?P<bucket>[a-z0-9][a-z0-9.\-_]{1,221})"
_URI = re.compile(_BUCKET + r"(?:/(?P<name>.*?)(?:#(?P<generation>[0-9]+))?)?\Z")


class Address(NamedTuple):
    """What a URI names; `name` and `generation` may be empty."""

    bucket: str
    name: str
    generation: str


def parse(uri: str) -> Address:
    """Take a URI apart. Raises `StoreError` of kind `PERMANENT`."""
    match = _URI.match(uri)
    if match is None:
        raise StoreError(Kind.PERMANENT, "look up", uri, "it is not of the form gs://bucket/object")
    if match["name"] in (".", ".."):
        # As a part of a URL they lead elsewhere.
        raise StoreError(Kind.PERMANENT, "look up", uri, "no object can have this name")
    return Address(match["bucket"], match["name"] or "", match["generation"] or "")


class Gs:
    """Objects and prefixes of buckets, each with its generation."""

    def __init__(self, bridge: Bridge, policy: Policy, remote: RemoteGs) -> None:
        self._bridge = bridge
        self._policy = policy
        self._remote = remote

    async def look_up(self, uri: str, asker: Asker) -> FoundObject | None:
        address = self._allowed(uri, asker)
        if not address.name or address.name.endswith("/"):
            return None
        try:
            found = await self._bridge.call(self._remote.head, *address)
        except StoreError as error:
            if error.kind is not Kind.NOT_FOUND or address.generation:
                raise
            return None
        return _found("", uri, found)

    async def page(self, uri: str, token: str, asker: Asker) -> tuple[list[FoundObject], str]:
        address = self._allowed(uri, asker)
        prefix = f"{address.name.rstrip('/')}/" if address.name else ""
        listed, more = await self._bridge.call(self._remote.page, address.bucket, prefix, token)
        objects = [
            _found(item.name.removeprefix(prefix), f"gs://{address.bucket}/{item.name}", item)
            for item in listed
            # Consoles make such objects, to show what is no directory as one.
            if not item.name.endswith("/")
        ]
        return objects, more

    async def fetch(self, entry: Entry, fd: int, *, limit: int, asker: Asker) -> int:
        assert entry.reference is not None
        address = self._allowed(entry.reference.uri, asker)
        generation = address.generation or dict(entry.reference.extra).get("generation", "")

        def accept(found: GsObject) -> None:
            check_unchanged(entry, Observed(_digest(found), found.size))

        fetch = partial(
            self._remote.fetch, address.bucket, address.name, generation, fd, limit=limit, accept=accept
        )
        return await self._bridge.call(fetch)

    def _allowed(self, uri: str, asker: Asker) -> Address:
        address = parse(uri)
        self._policy.check_bucket("gs", address.bucket, address.name, asker)
        return address


def _found(name: str, uri: str, item: GsObject) -> FoundObject:
    known = (("etag", item.etag), ("generation", item.generation))
    extra = tuple((key, value) for key, value in known if value)
    return FoundObject(name=name, uri=uri, digest=_digest(item), size=item.size, extra=extra)


def _digest(item: GsObject) -> str:
    if item.crc32c:
        return f"crc32c:{item.crc32c}"
    return f"etag:{item.etag}" if item.etag else ""
