"""`http://` and `https://`: what a server says of the object by ETag, length and date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from artifactd.daemon.references.base import Asker, Observed, changed, check_unchanged
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.remote import http as remote_http
from artifactd.daemon.stores.remote.http import Answer
from artifactd.daemon.stores.remote.http_errors import check_status
from artifactd.protocol.manifest import Entry
from artifactd.protocol.messages import FoundObject

__all__ = ["Http"]

_NO_HEAD = frozenset({400, 403, 405, 501})
"""Servers that do not know HEAD, and signed URLs, which are for one method only."""
_STATE = frozenset({"etag", "last-modified"})
_MAX_DIGITS = 19


class Http:
    """Objects of any web server; there are no prefixes."""

    def __init__(self, bridge: Bridge, policy: Policy) -> None:
        self._bridge = bridge
        self._policy = policy

    async def look_up(self, uri: str, asker: Asker) -> FoundObject:
        answer = await self._ask("HEAD", uri, {}, asker)
        if answer.status in _NO_HEAD:
            answer = await self._ask("GET", uri, {"Range": "bytes=0-0"}, asker)
            if answer.status == 416:  # there is no first byte
                return _found(uri, answer.headers, 0)
        check_status(answer.status, "look up", uri)
        return _found(uri, answer.headers, _size(answer))

    async def page(self, uri: str, token: str, asker: Asker) -> tuple[list[FoundObject], str]:
        raise StoreError(Kind.PERMANENT, "list", uri, "a web server has no prefixes")

    async def fetch(self, entry: Entry, fd: int, *, limit: int, asker: Asker) -> int:
        assert entry.reference is not None
        recorded = dict(entry.reference.extra)

        def accept(answer: Answer) -> None:
            check_unchanged(entry, Observed(_digest(answer.headers), _size(answer)))
            for name, value in recorded.items():
                found = answer.headers.get(name, "")
                if name in _STATE and found != value:
                    raise changed(entry, f"{name} {value}", found or "none")

        fetch = partial(
            remote_http.fetch,
            entry.reference.uri,
            fd,
            limit=limit,
            objection=self._objection(asker),
            accept=accept,
        )
        return await self._bridge.call(fetch)

    async def _ask(self, method: str, uri: str, headers: Mapping[str, str], asker: Asker) -> Answer:
        return await self._bridge.call(remote_http.ask, method, uri, headers, self._objection(asker))

    def _objection(self, asker: Asker) -> Callable[[str, str], str]:
        return lambda url, address: self._policy.objection(url, address, asker)


def _found(uri: str, headers: Mapping[str, str], size: int | None) -> FoundObject:
    digest = _digest(headers)
    named = ("etag",) if digest else ("last-modified",)
    extra = tuple((name, headers[name]) for name in named if name in headers)
    if size is None:
        # With a checksum a size of 0 would say that it is empty; its state is in `extra` all the same.
        return FoundObject(name="", uri=uri, digest="", size=0, extra=extra)
    return FoundObject(name="", uri=uri, digest=digest, size=size, extra=extra)


def _digest(headers: Mapping[str, str]) -> str:
    return f"etag:{headers['etag']}" if headers.get("etag") else ""


def _size(answer: Answer) -> int | None:
    """Of the whole object, also where only its first byte was asked for."""
    total = answer.headers.get("content-range", "").rpartition("/")[2]
    text = total if answer.status == 206 else answer.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS else None
