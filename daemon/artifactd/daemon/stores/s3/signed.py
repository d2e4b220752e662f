"""Whole objects without the SDK's request building, which costs ten times what signing and sending do.

botocore builds one PUT, which is never sent, as the pattern of all others: where the server is and how it
addresses the bucket, the headers that the options ask for, how it is signed. From then on an object costs a
signature by botocore's own signer, with the client's refreshable credentials, and one request in the client's own
HTTP session, with its TLS context, proxy, timeouts and connections.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.auth import UNSIGNED_PAYLOAD, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.parsers import RestXMLParser
from yarl import URL

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.s3.body import payload
from artifactd.daemon.stores.s3.errors import S3_ERRORS, classify
from artifactd.daemon.stores.s3.http import Direct

__all__ = ["REFUSED", "SignedPuts"]

_CHECKSUM = "x-amz-checksum-crc64nvme"
REFUSED = frozenset({Kind.DENIED, Kind.PERMANENT})
"""What the SDK may know better: it follows a bucket to its region, and does without a checksum."""

_PATTERN_KEY = "pattern"
_OF_ONE_OBJECT = frozenset({"content-length", _CHECKSUM})
_NEVER_SIGNED = frozenset({"user-agent"})
_SIGNATURE = "s3v4"
_building: ContextVar[bool] = ContextVar("building", default=False)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What the PUTs of one store have in common. An object's URL, or path, is this one and its quoted key."""

    url: str
    path: str
    signed_headers: dict[str, str]
    other_headers: dict[str, str]
    signer: Any
    signing: dict[str, str]


class _Built(Exception):
    """Ends the building of the pattern where the request would be signed."""

    def __init__(self, pattern: _Pattern) -> None:
        super().__init__("a pattern is not sent")
        self.pattern = pattern


class SignedPuts:
    """PUTs through one client, for use on its asyncio loop.

    `build` has the SDK build, and send, a PUT of a key; it is called for the pattern only.
    """

    def __init__(self, client: Any, build: Callable[[str], Awaitable[object]]) -> None:
        self._client = client
        self._errors = RestXMLParser()
        self._build = build
        self._pattern: _Pattern | None = None
        self._proxy: str | None = None
        self._proxy_headers: dict[str, str] = {}

    async def put(self, key: str, data: memoryview, checksum: str | None) -> str:
        """Send one object and return the checksum that the server answers with, or "".

        Raises `StoreError` of the kind that the SDK's request would have had. After one of `REFUSED` kind that
        request is worth a try, and the next pattern is what the SDK has learned by it.
        """
        try:
            return await self._put(key, data, checksum)
        except S3_ERRORS as error:
            failure = classify(error, "put", key)
            if failure.kind in REFUSED:
                self._pattern = None
            raise failure from error

    async def _put(self, key: str, data: memoryview, checksum: str | None) -> str:
        pattern = self._pattern or await self._build_pattern()
        if pattern.signing["signature_version"] != _SIGNATURE:
            raise StoreError(Kind.PERMANENT, "put", key, "only the SDK knows how to sign for this bucket")
        quoted = quote(key, safe="/~")
        own = {"content-length": str(len(data))} | ({_CHECKSUM: checksum} if checksum else {})
        headers = await _signed(pattern, pattern.path + quoted, own)
        session: Direct = await self._client._endpoint.http_session._get_session(self._proxy)
        response = await session.request(
            "PUT",
            url=URL(pattern.url + quoted, encoded=True),
            headers=headers,
            data=payload(data),
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
        )
        async with response:
            body = await response.read()
        if response.status != 200 or b"<Error>" in body:
            # A 200 with an error for a body is an error of the server's.
            status = 500 if response.status == 200 else response.status
            answer = {"status_code": status, "headers": response.headers, "body": body}
            raise ClientError(self._errors.parse(answer, None), "PutObject")
        return response.headers.get(_CHECKSUM, "")

    async def _build_pattern(self) -> _Pattern:
        self._client.meta.events.register_last("before-sign.s3.PutObject", _before_sign, unique_id=__name__)
        token = _building.set(True)
        try:
            await self._build(_PATTERN_KEY)
        except _Built as built:
            self._pattern = built.pattern
        finally:
            _building.reset(token)
        assert self._pattern is not None, "botocore built a request and did not sign it"
        proxies = self._client._endpoint.http_session._proxy_config
        self._proxy = proxies.proxy_url_for(self._pattern.url)
        self._proxy_headers = proxies.proxy_headers_for(self._pattern.url)
        return self._pattern


def _before_sign(
    request: AWSRequest, request_signer: Any, signing_name: str, region_name: str, signature_version: Any, **_: Any
) -> None:
    """Handler of `before-sign.s3.PutObject`, the last of them."""
    if not _building.get():
        return
    url = urlsplit(request.url.removesuffix(_PATTERN_KEY))
    chosen = request.context.get("signing", {})
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    common = {name: value for name, value in headers.items() if name not in _OF_ONE_OBJECT}
    raise _Built(
        _Pattern(
            url=url.geturl(),
            path=url.path,
            signed_headers={name: common[name] for name in common if name not in _NEVER_SIGNED}
            | {"host": url.netloc, "x-amz-content-sha256": UNSIGNED_PAYLOAD},
            other_headers={name: common[name] for name in common if name in _NEVER_SIGNED}
            | {"accept-encoding": "identity"},
            signer=request_signer,
            signing={
                "signing_name": chosen.get("signing_name") or signing_name,
                "region_name": chosen.get("region") or region_name,
                "signature_version": signature_version,
            },
        )
    )


async def _signed(pattern: _Pattern, path: str, own: dict[str, str]) -> dict[str, str]:
    """All headers of one request. What is signed has one known shape, which spares botocore finding it out."""
    credentials = (await pattern.signer.get_auth_instance(**pattern.signing)).credentials
    if credentials is None:
        raise NoCredentialsError
    auth = S3SigV4Auth(credentials, pattern.signing["signing_name"], pattern.signing["region_name"])
    request = AWSRequest()
    request.context["timestamp"] = now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = pattern.signed_headers | own | {"x-amz-date": now}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = sorted(headers)
    listed = ";".join(names)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = f"PUT\n{path}\n\n{lines}\n{listed}\n{UNSIGNED_PAYLOAD}"
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    scope = auth.scope(request)
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return headers | pattern.other_headers
