"""A small Google Cloud Storage: the JSON API of objects with generations, in memory, in a thread of its own."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from awscrt.checksums import crc32c

from servers.threads import serving

__all__ = ["FakeGcs", "fake_gcs"]


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    data: bytes
    generation: int

    def resource(self, bucket: str) -> dict[str, Any]:
        """As the API describes it."""
        checksum = base64.b64encode(struct.pack(">I", crc32c(self.data))).decode()
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": self.name,
            "size": str(len(self.data)),
            "generation": str(self.generation),
            "etag": f"E{self.generation}",
            "crc32c": checksum,
        }


@dataclass(slots=True)
class FakeGcs:
    """Every generation of every object is kept. `page` bounds what one listing answers with."""

    endpoint: str = ""
    page: int = 2
    requests: list[str] = field(default_factory=list)
    _generation: int = 0
    _objects: dict[tuple[str, str], list[_Object]] = field(default_factory=dict)

    def put(self, bucket: str, name: str, data: bytes) -> str:
        """Store a new generation; returns it."""
        self._generation += 1
        self._objects.setdefault((bucket, name), []).append(_Object(name, data, self._generation))
        return str(self._generation)

    def delete(self, bucket: str, name: str) -> None:
        del self._objects[bucket, name]

    def application(self) -> web.Application:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_get("/storage/v1/b/{bucket}/o", self._list)
        application.router.add_get("/storage/v1/b/{bucket}/o/{name:.+}", self._get)
        application.router.add_post("/upload/storage/v1/b/{bucket}/o", self._insert)
        return application

    async def _list(self, request: web.Request) -> web.Response:
        self.requests.append(str(request.rel_url))
        bucket, prefix = request.match_info["bucket"], request.query.get("prefix", "")
        names = sorted(name for owner, name in self._objects if owner == bucket and name.startswith(prefix))
        later = [name for name in names if name > request.query.get("pageToken", "")]
        items = [self._objects[bucket, name][-1].resource(bucket) for name in later[: self.page]]
        more = {"nextPageToken": later[self.page - 1]} if len(later) > self.page else {}
        return web.json_response({"kind": "storage#objects", "items": items, **more})

    async def _get(self, request: web.Request) -> web.Response:
        self.requests.append(str(request.rel_url))
        bucket = request.match_info["bucket"]
        generation = request.query.get("generation")
        found = [
            item
            for item in self._objects.get((bucket, request.match_info["name"]), [])
            if generation in (None, str(item.generation))
        ]
        if not found:
            return web.json_response({"error": {"code": 404}}, status=404)
        if request.query.get("alt") == "media":
            return web.Response(body=found[-1].data)
        return web.json_response(found[-1].resource(bucket))

    async def _insert(self, request: web.Request) -> web.Response:
        self.requests.append(str(request.rel_url))
        bucket, name = request.match_info["bucket"], request.query["name"]
        expected = request.query.get("ifGenerationMatch")
        known = self._objects.get((bucket, name), [])
        if expected is not None and int(expected) != (known[-1].generation if known else 0):
            return web.json_response({"error": {"code": 412}}, status=412)
        self.put(bucket, name, await request.read())
        return web.json_response(self._objects[bucket, name][-1].resource(bucket))


@contextmanager
def fake_gcs() -> Iterator[FakeGcs]:
    """Serve an empty one."""
    server = FakeGcs()
    with serving(server.application()) as server.endpoint:
        yield server
