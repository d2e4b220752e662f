"""Whole objects without the SDK's request building, which costs ten times what signing and sending do.

botocore builds one PUT, which is never sent, as the pattern of all others (`pattern.py`). From then on an object
costs a signature (`signature.py`), with the client's refreshable credentials, and one request on the connections
of the client's own HTTP session, with its TLS context, proxy and timeouts: a small one without aiohttp's building
of requests either (`wire.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from botocore.parsers import RestXMLParser
from yarl import URL

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.s3.body import payload
from artifactd.daemon.stores.s3.errors import S3_ERRORS, classify
from artifactd.daemon.stores.s3.http import Direct
from artifactd.daemon.stores.s3.pattern import CHECKSUM, Pattern, build_pattern
from artifactd.daemon.stores.s3.signature import Signature
from artifactd.daemon.stores.s3.wire import AT_ONCE, Answer

__all__ = ["REFUSED", "SignedPuts"]

REFUSED = frozenset({Kind.DENIED, Kind.PERMANENT})
"""What the SDK may know better: it follows a bucket to its region, and does without a checksum."""

_SIGNATURE = "s3v4"


class SignedPuts:
    """PUTs through one client, for use on its asyncio loop.

    `build` has the SDK build, and send, a PUT of a key; it is called for the pattern only.
    """

    def __init__(self, client: Any, build: Callable[[str], Awaitable[object]]) -> None:
        self._client = client
        self._errors = RestXMLParser()
        self._build = build
        self._way: _Way | None = None
        self._finding = asyncio.Lock()

    async def put(self, key: str, data: memoryview, checksum: str | None) -> str:
        """Send one object and return the checksum that the server answers with, or "".

        Raises `StoreError` of the kind that the SDK's request would have had. After one of `REFUSED` kind that
        request is worth a try, and the next pattern is what the SDK has learned by it.
        """
        try:
            way = self._way or await self._find_way()
            if not way.can_sign:
                raise StoreError(Kind.PERMANENT, "put", key, "only the SDK knows how to sign for this bucket")
            answer = await way.put(key, data, checksum)
            if answer.status != 200 or b"<Error>" in answer.body:
                # A 200 with an error for a body is an error of the server's.
                status = 500 if answer.status == 200 else answer.status
                response = {"status_code": status, "headers": answer.headers, "body": answer.body}
                raise ClientError(self._errors.parse(response, None), "PutObject")
        except S3_ERRORS as error:
            failure = classify(error, "put", key)
            if failure.kind in REFUSED:
                self._way = None
            raise failure from error
        return answer.headers.get(CHECKSUM, "")

    async def _find_way(self) -> _Way:
        async with self._finding:
            if self._way is None:
                pattern = await build_pattern(self._client, self._build)
                http = self._client._endpoint.http_session
                proxy = http._proxy_config.proxy_url_for(pattern.url)
                proxy_headers = http._proxy_config.proxy_headers_for(pattern.url)
                self._way = _Way(pattern, await http._get_session(proxy), proxy, proxy_headers)
            return self._way


class _Way:
    """How PUTs are signed and sent while nobody refuses one."""

    def __init__(
        self, pattern: Pattern, session: Direct, proxy: str | None, proxy_headers: dict[str, str]
    ) -> None:
        self._pattern = pattern
        self._session = session
        self._proxy = proxy
        self._proxy_headers = proxy_headers
        self._wire = None if proxy else session.wire(URL(pattern.url, encoded=True))
        self._signature: Signature | None = None
        self.can_sign = pattern.signing["signature_version"] == _SIGNATURE

    async def put(self, key: str, data: memoryview, checksum: str | None) -> Answer:
        quoted = quote(key, safe="/~")
        path = self._pattern.path + quoted
        own = {"content-length": str(len(data))} | ({CHECKSUM: checksum} if checksum else {})
        headers = (await self._current_signature()).sign(path, own) | self._pattern.other_headers
        if self._wire is not None and len(data) <= AT_ONCE:
            return await self._wire.put(path, headers, data)
        response = await self._session.request(
            "PUT",
            url=URL(self._pattern.url + quoted, encoded=True),
            headers=headers,
            data=payload(data),
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
        )
        async with response:
            return Answer(response.status, response.headers, await response.read())

    async def _current_signature(self) -> Signature:
        if self._signature is None or not self._signature.is_of_now:
            signing = self._pattern.signing
            credentials = (await self._pattern.signer.get_auth_instance(**signing)).credentials
            self._signature = Signature.now(
                credentials, signing["region_name"], signing["signing_name"], self._pattern.signed_headers
            )
        return self._signature
