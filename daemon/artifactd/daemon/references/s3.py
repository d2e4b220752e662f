"""`s3://bucket/key`, with `?versionId=` where one version is meant."""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from artifactd.daemon.references.base import Asker, Observed, check_unchanged
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.remote.s3 import RemoteS3, S3Object
from artifactd.protocol.manifest import Entry
from artifactd.protocol.messages import FoundObject

__all__ = ["S3", "Address", "parse"]

_BUCKET = r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9.\-_]{1,254})"
_URI = re.compile(_BUCKET + r"(?:/(?P<key>.*?)(?:\?versionId=(?P<version>[^?&#/]+))?)?\Z")
_PLAIN = "plain:"
"""Marks the tokens of a listing without versions."""
_LISTS_NO_VERSIONS = frozenset({Kind.DENIED, Kind.PERMANENT})


class Address(NamedTuple):
    """What a URI names; `key` and `version` may be empty."""

    bucket: str
    key: str
    version: str


def parse(uri: str) -> Address:
    """Take a URI apart. Raises `StoreError` of kind `PERMANENT`."""
    match = _URI.match(uri)
    if match is None:
        raise StoreError(Kind.PERMANENT, "look up", uri, "it is not of the form s3://bucket/key")
    return Address(match["bucket"], match["key"] or "", match["version"] or "")


class S3:
    """Objects and prefixes of buckets; their versions are recorded where there are any."""

    def __init__(self, bridge: Bridge, policy: Policy, remote: RemoteS3) -> None:
        self._bridge = bridge
        self._policy = policy
        self._remote = remote

    async def look_up(self, uri: str, asker: Asker) -> FoundObject | None:
        address = self._allowed(uri, asker)
        if not address.key or address.key.endswith("/"):
            return None
        try:
            found = await self._bridge.call(self._remote.head, *address)
        except StoreError as error:
            if error.kind is not Kind.NOT_FOUND or address.version:
                raise
            return None
        return _found("", uri, found)

    async def page(self, uri: str, token: str, asker: Asker) -> tuple[list[FoundObject], str]:
        address = self._allowed(uri, asker)
        prefix = f"{address.key.rstrip('/')}/" if address.key else ""
        listed, more = await self._list(address.bucket, prefix, token)
        objects = [
            _found(item.key.removeprefix(prefix), f"s3://{address.bucket}/{item.key}", item)
            for item in listed
            # Consoles make such objects, to show what is no directory as one.
            if not item.key.endswith("/")
        ]
        return objects, more

    async def _list(self, bucket: str, prefix: str, token: str) -> tuple[list[S3Object], str]:
        plain = token.startswith(_PLAIN)
        if not plain:
            try:
                return await self._bridge.call(self._remote.page, bucket, prefix, token)
            except StoreError as error:
                if token or error.kind not in _LISTS_NO_VERSIONS:
                    raise
        found, more = await self._bridge.call(
            self._remote.page_without_versions, bucket, prefix, token.removeprefix(_PLAIN)
        )
        return found, more and _PLAIN + more

    async def fetch(self, entry: Entry, fd: int, *, limit: int, asker: Asker) -> int:
        assert entry.reference is not None
        address = self._allowed(entry.reference.uri, asker)
        version = address.version or dict(entry.reference.extra).get("versionId", "")

        def accept(found: S3Object) -> None:
            check_unchanged(entry, Observed(_digest(found), found.size))

        fetch = partial(self._remote.fetch, address.bucket, address.key, version, fd, limit=limit, accept=accept)
        return await self._bridge.call(fetch)

    def _allowed(self, uri: str, asker: Asker) -> Address:
        address = parse(uri)
        self._policy.check_bucket("s3", address.bucket, address.key, asker)
        return address


def _found(name: str, uri: str, item: S3Object) -> FoundObject:
    known = (("etag", item.etag), ("versionId", item.version))
    extra = tuple((key, value) for key, value in known if value)
    return FoundObject(name=name, uri=uri, digest=_digest(item), size=item.size, extra=extra)


def _digest(item: S3Object) -> str:
    return f"etag:{item.etag}" if item.etag else ""
