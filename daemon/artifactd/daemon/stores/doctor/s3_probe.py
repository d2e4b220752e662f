"""Single requests to S3, made for what their answers tell, on the asyncio loop."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from awscrt.checksums import crc64nvme
from botocore.exceptions import ClientError

from artifactd.daemon.stores.attempts import Attempts
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.doctor.report import Hopeless
from artifactd.daemon.stores.doctor.s3_diagnosis import Refused, diagnose
from artifactd.daemon.stores.doctor.s3_permissions import PERMISSIONS
from artifactd.daemon.stores.s3.body import Body
from artifactd.daemon.stores.s3.checksums import encoded
from artifactd.daemon.stores.s3.errors import S3_ERRORS, classify

__all__ = ["Answer", "Probe", "body_of"]

Answer = dict[str, Any] | Refused

_OPERATIONS = {"abort_multipart_upload": "abort", "list_parts": "list parts of"}
"""As `classify` knows them, where it matters."""
_NEEDED = {"create_multipart_upload": "UploadId", "upload_part": "ETag"}
"""What must be in an answer."""
_MOST_READ = 1024
"""Bytes of an object: ours are shorter."""


def body_of(data: bytes, *, checksum: bool) -> dict[str, Any]:
    """The parameters that send `data`, with the checksum that the daemon sends."""
    wire = {"ChecksumCRC64NVME": encoded(crc64nvme(data, 0))} if checksum else {}
    return {"Body": Body(memoryview(data)), "ContentLength": len(data), **wire}


class Probe:
    """Asks about keys below `prefix`, and remembers what was allowed, denied and made.

    `new_object` are the parameters of every request that makes an object.
    """

    def __init__(self, client: Any, bucket: str, prefix: str, new_object: Mapping[str, str]) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._new_object = new_object
        self._attempts = Attempts()
        self._refusals: dict[str, str] = {}
        self._granted: set[str] = set()
        self.keys: set[str] = set()
        self.uploads: dict[str, str] = {}
        self.skew: float | None = None
        """Seconds by which the server's clock was ahead of ours when it last answered."""

    @property
    def denied(self) -> Mapping[str, str]:
        """Permissions that were refused and never granted, with the server's code."""
        return {name: code for name, code in self._refusals.items() if name not in self._granted}

    @property
    def untested(self) -> frozenset[str]:
        return frozenset(PERMISSIONS.values()) - self._granted - self._refusals.keys()

    def key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    async def put(self, key: str, data: bytes, *, checksum: bool = False, **params: Any) -> Answer:
        """Put an object as the daemon would; see `ask`."""
        body = body_of(data, checksum=checksum)
        return await self.ask("put_object", Key=key, **body, **self._new_object, **params)

    async def create(self, key: str, **params: Any) -> Answer:
        """Begin a multipart upload as the daemon would; see `ask`."""
        return await self.ask("create_multipart_upload", Key=key, **self._new_object, **params)

    async def ask(self, method: str, **params: Any) -> Answer:
        """Make a request and return its answer, or its refusal. Raises `Hopeless`."""
        try:
            answer = await self._attempts.persist(
                lambda _: self._request(method, params), frozenset({Kind.THROTTLED})
            )
        except Refused as refused:
            if problem := diagnose(refused):
                raise Hopeless(problem) from refused
            if refused.kind is Kind.DENIED:
                self._refusals[PERMISSIONS.get(method, "")] = refused.code
            elif refused.kind is Kind.NOT_FOUND:
                self._granted.add(PERMISSIONS.get(method, ""))
            return refused
        self._granted.add(PERMISSIONS.get(method, ""))
        self._remember(method, params, answer)
        return answer

    async def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            response: dict[str, Any] = await getattr(self._client, method)(Bucket=self._bucket, **params)
            if "Body" in response:
                async with response["Body"] as body:
                    response["Body"] = await body.read(_MOST_READ)
        except S3_ERRORS as error:
            answer = error.response if isinstance(error, ClientError) else {}
            self._compare_clocks(answer)
            details = answer.get("Error", {})
            headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            region = details.get("Region") or headers.get("x-amz-bucket-region", "")
            failure = classify(error, _OPERATIONS.get(method, method), str(params.get("Key", "")))
            raise Refused(failure, error, str(details.get("Code", "")), str(region)) from error
        self._compare_clocks(response)
        field = _NEEDED.get(method)
        if field and not response.get(field):
            failure = StoreError(Kind.PERMANENT, method, params["Key"], f"the server's answer has no {field}")
            raise Refused(failure, failure, "", "")
        return response

    def _compare_clocks(self, response: Mapping[str, Any]) -> None:
        date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            self.skew = parsedate_to_datetime(date).timestamp() - time.time() if date else self.skew
        except ValueError:
            self.skew = None

    def _remember(self, method: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if method in ("put_object", "complete_multipart_upload"):
            self.keys.add(params["Key"])
        if method == "create_multipart_upload":
            self.uploads[answer["UploadId"]] = params["Key"]
        elif method in ("complete_multipart_upload", "abort_multipart_upload"):
            self.uploads.pop(params["UploadId"], None)
        elif method == "delete_object":
            self.keys.discard(params["Key"])

    async def clean_up(self) -> None:
        """Delete and abort what was made, as far as that is permitted."""
        with suppress(Hopeless):
            for upload_id, key in list(self.uploads.items()):
                await self.ask("abort_multipart_upload", Key=key, UploadId=upload_id)
            for key in sorted(self.keys):
                await self.ask("delete_object", Key=key)
