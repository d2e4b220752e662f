"""Whole objects without the SDK's request building, which costs ten times what signing and sending do.

botocore builds one PUT, which is never sent, as the pattern of all others: where the server is and how it
addresses the bucket, the headers that the options ask for, how requests are signed. From then on an object costs
a signature by botocore's own signer, with the client's refreshable credentials, and one request in the client's
own HTTP session, with its TLS context, proxy, timeouts and connections. (That session repeats a PUT by itself
when a kept connection turns out to be closed: the same bytes under the same content address, in any order.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.parsers import RestXMLParser

from artifactd.daemon.stores.s3_body import Slices
from artifactd.daemon.stores.s3_errors import S3_ERRORS, classify

__all__ = ["CHECKSUM", "SignedPuts"]

CHECKSUM = "x-amz-checksum-crc64nvme"

_PATTERN_KEY = "pattern"
_OF_ONE_OBJECT = frozenset({"content-length", CHECKSUM})
_building: ContextVar[bool] = ContextVar("building", default=False)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What the PUTs of one store have in common; an object's URL is `url` and its quoted key."""

    url: str
    headers: dict[str, str]
    context: dict[str, Any]
    signer: Any


class _Built(Exception):
    """Ends the building of the pattern where the request would be signed."""

    def __init__(self, pattern: _Pattern) -> None:
        super().__init__("a pattern is not sent")
        self.pattern = pattern


@dataclass(slots=True)
class _Ready:
    """A request as the HTTP session reads it."""

    url: str
    headers: Any
    body: Slices
    context: dict[str, Any]
    method: str = "PUT"
    stream_output: bool = False


class SignedPuts:
    """PUTs through one client, for use on its asyncio loop.

    `build` has the SDK build a PUT of a key; it is called for the pattern only.
    """

    def __init__(self, client: Any, build: Callable[[str], Awaitable[object]]) -> None:
        self._session = client._endpoint.http_session
        self._errors = RestXMLParser()
        self._build = build
        self._pattern: _Pattern | None = None
        client.meta.events.register_last("before-sign.s3.PutObject", _before_sign)

    def forget(self) -> None:
        """Have the next pattern built anew: the SDK may have learned where the bucket really is."""
        self._pattern = None

    async def put(self, key: str, data: memoryview, checksum: str | None) -> str | None:
        """Send one object and return the checksum that the server answers with, if any.

        Raises `StoreError`, of the kinds that the same answer to the SDK has.
        """
        try:
            pattern = self._pattern = self._pattern or await self._build_pattern()
            request = AWSRequest("PUT", pattern.url + quote(key, safe="/~"), pattern.headers)
            request.headers["Content-Length"] = str(len(data))
            if checksum is not None:
                request.headers[CHECKSUM] = checksum
            request.context = dict(pattern.context)
            await pattern.signer.sign("PutObject", request)
            ready = _Ready(request.url, request.headers, Slices(data), request.context)
            response = await self._session.send(ready)
            if response.status_code != 200:
                answer = {"status_code": response.status_code, "headers": response.headers}
                raise ClientError(self._errors.parse(answer | {"body": await response.content}, None), "PutObject")
        except S3_ERRORS as error:
            raise classify(error, "put", key) from error
        returned: str | None = response.headers.get(CHECKSUM)
        return returned

    async def _build_pattern(self) -> _Pattern:
        token = _building.set(True)
        try:
            await self._build(_PATTERN_KEY)
        except _Built as built:
            return built.pattern
        finally:
            _building.reset(token)
        raise AssertionError("botocore built a request and did not sign it")


def _before_sign(request: AWSRequest, request_signer: Any, **_: Any) -> None:
    """Handler of `before-sign.s3.PutObject`, the last of them."""
    if _building.get():
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_ONE_OBJECT}
        url = request.url.removesuffix(_PATTERN_KEY)
        raise _Built(_Pattern(url, headers, request.context, request_signer))
