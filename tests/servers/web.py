"""A web server whose objects change, and which misbehaves on request."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from servers.threads import serving

__all__ = ["Website", "website"]


@dataclass(slots=True)
class Website:
    """`files` are served below `address`; `redirects` send elsewhere. Requests are counted by method and path."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    without_etag: set[str] = field(default_factory=set)
    without_head: set[str] = field(default_factory=set)
    failing: Counter[str] = field(default_factory=Counter)
    """So many of the next requests of a path are answered 500."""
    breaking: Counter[str] = field(default_factory=Counter)
    """So many of the next bodies of a path break off in the middle."""
    absurd: dict[str, dict[str, str]] = field(default_factory=dict)
    """Headers that replace the right ones."""
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.requests[request.method, path] += 1
        if path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[path]})
        if self.failing[path] > 0:
            self.failing[path] -= 1
            return web.Response(status=500)
        if request.method == "HEAD" and path in self.without_head:
            return web.Response(status=405)
        if path not in self.files:
            return web.Response(status=404)
        data = self.files[path]
        headers = {} if path in self.without_etag else {"ETag": f'"{hashlib.md5(data).hexdigest()}"'}
        headers |= {"Last-Modified": f"Thu, 01 Jan 1970 00:00:{len(data) % 60:02} GMT"}
        headers |= self.absurd.get(path, {})
        if request.headers.get("Range") == "bytes=0-0" and data:
            headers["Content-Range"] = f"bytes 0-0/{len(data)}"
            return web.Response(status=206, body=data[:1], headers=headers)
        if request.method == "GET" and self.breaking[path] > 0:
            self.breaking[path] -= 1
            return await _break_off(request, data, headers)
        return web.Response(body=data, headers=headers)


async def _break_off(request: web.Request, data: bytes, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


@contextmanager
def website() -> Iterator[Website]:
    """Serve an empty one."""
    site = Website()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", site.answer)
    with serving(application) as site.address:
        yield site
