"""A Google Cloud Storage in this process, as its JSON API is documented, that misbehaves when told to.

Media, multipart and resumable uploads with checksums and preconditions, generations, listings with prefix,
delimiter and pages, ranged downloads, and bearer tokens if they are asked for.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from servers.gcs_faults import Fault, Faults, Operation
from servers.gcs_state import GRAIN, Bucket, Refusal, Session
from servers.gcs_wire import Broken, checksums, media, number, refused, related
from servers.threads import serving

__all__ = ["FakeGcs", "Seen", "fake_gcs"]

_STEP = 64 << 10
_UPLOADS = "/upload/storage/v1/b"
_OBJECTS = "/storage/v1/b"
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass
class Seen:
    """A request: what about, which object, how many bytes of its body arrived."""

    operation: Operation
    name: str
    received: int = 0


@dataclass(repr=False)
class FakeGcs:
    """Buckets, faults, and what was seen. A listing shows `page` names at once: few, so that most have pages."""

    endpoint: str = ""
    buckets: dict[str, Bucket] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    page: int = 2
    without: dict[str, str] = field(default_factory=dict)
    """What the description of an object leaves out, by name."""
    requests: list[str] = field(default_factory=list)
    """Path and query of each, in order."""
    seen: list[Seen] = field(default_factory=list)
    tokens: set[str] | None = None
    """Those that are good; None takes any request."""
    accounts: set[str] | None = None
    """Service accounts that are given tokens; None gives them to anybody."""

    def create_bucket(self, name: str, *, versioning: bool = False) -> Bucket:
        self.buckets[name] = Bucket(name, versioning=versioning)
        return self.buckets[name]

    def put(self, bucket: str, name: str, data: bytes, *, gzip: bool = False) -> str:
        """Store a new generation, and return it; a bucket that is not there yet keeps every one.

        With `gzip`, as an object whose encoding that is.
        """
        owner = self.buckets.get(bucket) or self.create_bucket(bucket, versioning=True)
        encoding = {"contentEncoding": "gzip"} if gzip else {}
        return str(owner.insert(name, data, encoding).generation)

    def delete(self, bucket: str, name: str) -> None:
        """Delete all generations."""
        owner = self.buckets[bucket]
        del owner.live[name]
        for key in [key for key in owner.noncurrent if key[0] == name]:
            del owner.noncurrent[key]

    def require_tokens(self) -> None:
        """From now on; those that were issued are void."""
        self.tokens = set()

    def count(self, operation: Operation) -> int:
        return sum(seen.operation is operation for seen in self.seen)

    def received(self, name: str) -> int:
        """Bytes of uploads of this object that arrived, kept or not."""
        return sum(seen.received for seen in self.seen if seen.name == name)

    # From here on: on the server's loop.

    def application(self) -> web.Application:
        application = web.Application(client_max_size=1 << 40)
        application.router.add_post("/token", self._issue)
        application.router.add_get(_OBJECTS + "/{bucket}/o", self._list)
        application.router.add_route("*", _OBJECTS + "/{bucket}/o/{name:.+}", self._object)
        application.router.add_route("*", _UPLOADS + "/{bucket}/o", self._upload)
        return application

    async def _issue(self, request: web.Request) -> web.Response:
        assertion = (await request.post()).get("assertion", "")
        if self.accounts is not None and _account(str(assertion)) not in self.accounts:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = secrets.token_hex(8)
        if self.tokens is not None:
            self.tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        async def answer(bucket: Bucket, fault: Fault | None) -> web.StreamResponse:
            query = request.query
            most = min(int(query.get("maxResults", self.page)), self.page)
            page = bucket.page(
                query.get("prefix", ""), query.get("delimiter", ""), query.get("pageToken", ""), most
            )
            return web.json_response({key: value for key, value in page.items() if value})

        return await self._serve(request, Operation.LIST, request.query.get("prefix", ""), answer)

    async def _object(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if request.method == "DELETE":
            operation = Operation.DELETE
        else:
            operation = Operation.GET if request.query.get("alt") == "media" else Operation.HEAD

        async def answer(bucket: Bucket, fault: Fault | None) -> web.StreamResponse:
            if operation is Operation.DELETE:
                bucket.delete(name, number(request, "ifGenerationMatch"))
                return web.Response(status=204)
            if fault is Fault.STALE:
                raise Refusal(404, "notFound", f"No such object: {bucket.name}/{name}")
            found = bucket.get(name, number(request, "generation"))
            if operation is Operation.HEAD:
                left_out = self.without.get(name)
                return web.json_response({key: value for key, value in found.resource.items() if key != left_out})
            return await media(request, found, fault)

        return await self._serve(request, operation, name, answer)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if "upload_id" in request.query:
            return await self._session(request, request.query["upload_id"])
        kind = request.query.get("uploadType")
        operation = Operation.BEGIN if kind == "resumable" else Operation.PUT
        seen = Seen(operation, request.query.get("name", ""))

        async def answer(bucket: Bucket, fault: Fault | None) -> web.StreamResponse:
            body = await self._body(request, seen, fault)
            metadata: dict[str, Any] = {}
            if kind == "resumable":
                metadata = json.loads(body or b"{}")
            elif kind == "multipart":
                metadata, body = related(request.headers["Content-Type"], body)
            seen.name = seen.name or metadata["name"]
            condition, kms_key = number(request, "ifGenerationMatch"), request.query.get("kmsKeyName")
            if kind == "resumable":
                declared = request.headers.get("X-Upload-Content-Length")
                size = None if declared is None else int(declared)
                session = bucket.begin(seen.name, metadata, condition, kms_key, size, self.endpoint + _UPLOADS)
                return web.Response(headers={"Location": session.uri})
            made = bucket.insert(
                seen.name, body, metadata, condition=condition, kms_key=kms_key, checksums=checksums(request)
            )
            return web.json_response(made.resource)

        return await self._serve(request, operation, seen, answer)

    async def _session(self, request: web.Request, upload_id: str) -> web.StreamResponse:
        match = _CONTENT_RANGE.fullmatch(request.headers.get("Content-Range", ""))
        known = self.buckets[request.match_info["bucket"]].sessions.get(upload_id)
        size = int(match[3]) if match and match[3] != "*" else None
        last = match is not None and match[2] is not None and int(match[2]) + 1 == size
        if request.method == "DELETE":
            operation = Operation.CANCEL
        elif match and match[1] is None:
            operation = Operation.FINISH if "X-Goog-Hash" in request.headers else Operation.QUERY
        else:
            operation = Operation.FINISH if last else Operation.CHUNK
        seen = Seen(operation, known.name if known else "")

        async def answer(bucket: Bucket, fault: Fault | None) -> web.StreamResponse:
            if fault is Fault.GONE:
                bucket.sessions.pop(upload_id, None)
                raise Refusal(410, "gone", "The upload session has expired")
            session = bucket.session(upload_id)
            if operation is Operation.CANCEL:
                del bucket.sessions[upload_id]
                return web.Response(status=499)
            if match is None:
                raise Refusal(400, "invalid", "a Content-Range is missing")
            if session.made is not None:
                return web.json_response(session.made.resource)
            if match[1] is not None:
                await self._take(request, seen, fault, session, int(match[1]), int(match[2]), last=last)
            if size is not None and len(session.data) == size and fault not in _KEPT:
                try:
                    return web.json_response(bucket.finish(session, checksums(request)).resource)
                except Refusal:
                    # The bytes are what they are: nothing can be made of this session any more.
                    del bucket.sessions[upload_id]
                    raise
            kept = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
            return web.Response(status=308, headers=kept)

        return await self._serve(request, operation, seen, answer)

    async def _take(
        self,
        request: web.Request,
        seen: Seen,
        fault: Fault | None,
        session: Session,
        first: int,
        end: int,
        *,
        last: bool,
    ) -> None:
        """Persist what arrives of a chunk, also if it is not all."""
        if not last and (end + 1 - first) % GRAIN:
            raise Refusal(400, "invalid", "a chunk that is not the last must be a multiple of 256 KiB")
        arrived = bytearray()
        try:
            await self._body(request, seen, fault, arrived)
        except Broken:
            session.persist(first, bytes(arrived), last=False)
            raise
        whole = len(arrived) == end + 1 - first
        if fault in _KEPT:
            del arrived[0 if fault is Fault.KEEP_NOTHING else len(arrived) // 2 :]
        session.persist(first, bytes(arrived), last=last and whole and fault not in _KEPT)

    async def _body(
        self, request: web.Request, seen: Seen, fault: Fault | None, into: bytearray | None = None
    ) -> bytes:
        """Read a body, as far as the fault lets it come."""
        arrived = bytearray() if into is None else into
        half = (request.content_length or 0) // 2
        try:
            while piece := await request.content.read(_STEP):
                seen.received += len(piece)
                arrived += piece
                if len(arrived) >= half and fault is Fault.RESET:
                    raise Broken
        except (aiohttp.ClientError, web.RequestPayloadError, ConnectionError) as error:
            raise Broken from error
        if fault is Fault.CORRUPT:
            arrived[half] ^= 1
        return bytes(arrived)

    async def _serve(
        self, request: web.Request, operation: Operation, about: str | Seen, answer: Any
    ) -> web.StreamResponse:
        """Note the request, let its fault strike, and answer as Google does."""
        seen = about if isinstance(about, Seen) else Seen(operation, about)
        self.seen.append(seen)
        self.requests.append(str(request.rel_url))
        fault = self.faults.take(operation)
        try:
            if fault is Fault.STALL and operation is not Operation.GET:
                await asyncio.Event().wait()
            self._admit(request, fault)
            bucket = self.buckets.get(request.match_info["bucket"])
            if bucket is None:
                raise Refusal(404, "notFound", "The specified bucket does not exist.")
            response: web.StreamResponse = await answer(bucket, fault)
            if fault is Fault.DROP or (fault is Fault.RESET and operation not in (Operation.GET, *_WITH_BODY)):
                raise Broken
        except Refusal as refusal:
            return refused(refusal)
        except Broken:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        return response

    def _admit(self, request: web.Request, fault: Fault | None) -> None:
        if fault is Fault.UNAVAILABLE:
            raise Refusal(503, "backendError", "Backend error")
        if fault is Fault.THROTTLED:
            raise Refusal(429, "rateLimitExceeded", "The rate limit was exceeded")
        expired = fault is Fault.EXPIRED
        if self.tokens is not None and "upload_id" not in request.query:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if expired:
                self.tokens.discard(token)
            expired = token not in self.tokens
        if expired:
            raise Refusal(401, "authError", "Invalid Credentials")


def _account(assertion: str) -> str | None:
    if not assertion:
        return None
    said: dict[str, str] = jwt.decode(assertion, options={"verify_signature": False})
    return said["iss"]


_KEPT = (Fault.KEEP_LESS, Fault.KEEP_NOTHING)
_WITH_BODY = (Operation.PUT, Operation.BEGIN, Operation.CHUNK, Operation.FINISH)


@contextmanager
def fake_gcs(tls: ssl.SSLContext | None = None) -> Iterator[FakeGcs]:
    """Serve on a free port, on a loop in a thread of its own, until the context ends."""
    server = FakeGcs()
    with serving(server.application(), tls) as server.endpoint:
        yield server
