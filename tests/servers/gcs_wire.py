"""How the fake of Google Cloud Storage reads requests and writes answers."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

from aiohttp import web

from servers.gcs_faults import Fault
from servers.gcs_state import GCSObject, Refusal

__all__ = ["Broken", "checksums", "media", "number", "refused", "related"]


class Broken(Exception):
    """The connection ends here, without an answer."""


async def media(request: web.Request, found: GCSObject, fault: Fault | None) -> web.StreamResponse:
    """The bytes, or a range of them; the checksums are those of the whole, as they should be."""
    if found.metadata.get("contentEncoding") == "gzip":
        return _encoded(request, found)
    wanted = request.http_range
    size = len(found.data)
    headers = {
        "x-goog-hash": f"crc32c={found.crc32c},md5={found.md5}",
        "x-goog-generation": str(found.generation),
        "Content-Type": found.resource["contentType"],
    }
    body = bytearray(found.data[wanted])
    status = 200
    if wanted.start is not None or wanted.stop is not None:
        start = wanted.start or 0
        if start >= size:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{size}"
    half = len(body) // 2
    if fault is Fault.CORRUPT:
        body[half] ^= 1
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(bytes(body[:half]))
    if fault is Fault.RESET:
        raise Broken
    if fault is Fault.STALL:
        await asyncio.Event().wait()
    await response.write(bytes(body[half:]))
    await response.write_eof()
    return response


def _encoded(request: web.Request, found: GCSObject) -> web.Response:
    """As it is for who takes the encoding, else decompressed on the way, as Google does."""
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=found.data, headers={"Content-Encoding": "gzip"})
    return web.Response(body=gzip.decompress(found.data))


def number(request: web.Request, name: str) -> int | None:
    return int(request.query[name]) if name in request.query else None


def checksums(request: web.Request) -> dict[str, str]:
    header = request.headers.get("X-Goog-Hash", "")
    return {name: value for name, _, value in (item.strip().partition("=") for item in header.split(",")) if name}


def related(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The metadata and the bytes of a `multipart/related` body."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    pieces = body.split(b"--" + boundary)
    if len(pieces) != 4:
        raise Refusal(400, "badRequest", "Malformed multipart body.")
    parts = [piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces[1:3]]
    return json.loads(parts[0]), parts[1]


def refused(refusal: Refusal) -> web.Response:
    details = [{"domain": "global", "reason": refusal.reason, "message": refusal.message}]
    error = {"code": refusal.status, "message": refusal.message, "errors": details}
    return web.json_response({"error": error}, status=refusal.status)
