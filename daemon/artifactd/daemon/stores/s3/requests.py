"""The S3 requests of one store, on the asyncio loop: one request a method, every failure classified.

Checksums are CRC64NVME in a header, which a server may verify. Not every server knows them and some refuse
even right ones: what a server refuses, and then accepts without, it is not sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from artifactd.daemon.stores.base import Kind, ObjectInfo, StoreError
from artifactd.daemon.stores.buckets.draining import drain, next_piece
from artifactd.daemon.stores.os_errors import write_pieces
from artifactd.daemon.stores.s3.body import Body
from artifactd.daemon.stores.s3.checksums import decoded, encoded
from artifactd.daemon.stores.s3.errors import S3_ERRORS, classify
from artifactd.daemon.stores.s3.resume import StoredPart
from artifactd.daemon.stores.s3.signed import REFUSED, SignedPuts

__all__ = ["Part", "Requests", "StoredObject"]

_ALGORITHM = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}


class Part(NamedTuple):
    """A part that the server has: its number from 1, CRC64NVME and size in bytes."""

    number: int
    etag: str
    crc: int
    size: int


class StoredObject(NamedTuple):
    """An object that the server has; `crc` is its CRC64NVME, None if the server tells none of the whole."""

    size: int
    crc: int | None


class Requests:
    """Requests about keys below `prefix`, which is empty or ends with a slash.

    `new_object` are the parameters of every request that makes an object: its encryption, its storage class.
    """

    def __init__(self, client: Any, bucket: str, prefix: str, new_object: Mapping[str, str] | None = None) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._new_object = dict(new_object or {})
        self._checksums = True
        self._whole_checksum = True
        self._signed = SignedPuts(
            client, lambda key: self._send("put", "put_object", key, memoryview(b""), 0, **self._new_object)
        )

    async def put(self, key: str, data: memoryview, crc: int) -> None:
        try:
            returned = await self._signed.put(key, data, encoded(crc) if self._checksums else None)
        except StoreError as error:
            if error.kind not in REFUSED:
                raise
            await self._send("put", "put_object", key, data, crc, **self._new_object)
        else:
            _verify({"ChecksumCRC64NVME": returned}, "put", key, crc)

    async def create(self, key: str) -> str:
        """Create a multipart upload and return its id."""
        response = await self._with_checksum(
            "create", "create_multipart_upload", key, _ALGORITHM, **self._new_object
        )
        return str(_expect(response, "UploadId", "create", key))

    async def put_part(self, key: str, upload_id: str, number: int, data: memoryview, crc: int) -> Part:
        response = await self._send(
            "put part of", "upload_part", key, data, crc, UploadId=upload_id, PartNumber=number
        )
        return Part(number, str(_expect(response, "ETag", "put part of", key)), crc, len(data))

    async def complete(self, key: str, upload_id: str, parts: Sequence[Part], crc: int) -> bool:
        """Make the parts one object; `crc` is that of the whole.

        Returns whether the server vouched for the whole by a checksum of it.
        """
        listed = [
            {"PartNumber": part.number, "ETag": part.etag}
            | ({"ChecksumCRC64NVME": encoded(part.crc)} if self._checksums else {})
            for part in parts
        ]
        request = {"UploadId": upload_id, "MultipartUpload": {"Parts": listed}}
        whole = {"ChecksumCRC64NVME": encoded(crc), "ChecksumType": "FULL_OBJECT"}
        if self._checksums and self._whole_checksum:
            try:
                response = await self._call("complete", "complete_multipart_upload", key, **request, **whole)
            except StoreError as error:
                if error.kind not in (Kind.CORRUPT, Kind.PERMANENT):
                    raise
                response = await self._call("complete", "complete_multipart_upload", key, **request)
                self._whole_checksum = False
        else:
            response = await self._call("complete", "complete_multipart_upload", key, **request)
        return _verify(response, "complete", key, crc)

    async def abort(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload; one that is not there is success."""
        try:
            await self._call("abort", "abort_multipart_upload", key, UploadId=upload_id)
        except StoreError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise

    async def uploads(self, key: str) -> list[tuple[str, datetime]]:
        """The unfinished multipart uploads with exactly this key: id, and when it was begun."""
        found: list[tuple[str, datetime]] = []
        marker: dict[str, str] = {}
        while True:
            page = await self._bucket_call(
                "list uploads of", "list_multipart_uploads", key, Prefix=self._prefix + key, **marker
            )
            uploads = [upload for upload in page.get("Uploads", ()) if upload["Key"] == self._prefix + key]
            found += [(upload["UploadId"], upload["Initiated"]) for upload in uploads]
            if not page.get("IsTruncated"):
                return found
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    async def parts(self, key: str, upload_id: str) -> dict[int, StoredPart] | None:
        """The parts that the server has, by number, or None if there is no such upload (any more)."""
        found: dict[int, StoredPart] = {}
        marker: dict[str, int] = {}
        while True:
            try:
                page = await self._call("list parts of", "list_parts", key, UploadId=upload_id, **marker)
            except StoreError as error:
                if error.kind is not Kind.NOT_FOUND:
                    raise
                return None
            for part in page.get("Parts", ()):
                crc = decoded(part.get("ChecksumCRC64NVME"))
                found[part["PartNumber"]] = StoredPart(part["ETag"], part["Size"], crc)
            if not page.get("IsTruncated"):
                return found
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    async def get(self, key: str, fd: int, offset: int, length: int | None) -> int:
        """Write a range of the object to `fd`; one that begins at or after its end is empty."""
        if length == 0:
            return await self._get_nothing(key, offset)
        end = "" if length is None else offset + length - 1
        ranged = {"Range": f"bytes={offset}-{end}"} if offset or length is not None else {}
        try:
            response = await self._call("get", "get_object", key, **ranged)
        except StoreError as error:
            if error.kind is not Kind.PERMANENT:
                raise
            return await self._get_nothing(key, offset, error)
        async with response["Body"] as body:
            return await drain(body.raw_stream, partial(self._read, body, key), partial(write_pieces, fd), key)

    async def _get_nothing(self, key: str, offset: int, refusal: StoreError | None = None) -> int:
        """Return 0 if that is the answer for an object that exists, else raise."""
        found = await self.head(key)
        if found is None:
            raise StoreError(Kind.NOT_FOUND, "get", key, "no such object")
        if refusal and offset < found.size:
            raise refusal
        return 0

    async def _read(self, body: Any, key: str) -> bytes:
        """The next piece that has arrived, or nothing at the end."""
        try:
            return await next_piece(body.raw_stream.content)
        except S3_ERRORS as error:
            raise classify(error, "get", key) from error

    async def head(self, key: str) -> ObjectInfo | None:
        response = await self._head(key)
        return None if response is None else ObjectInfo(key, response["ContentLength"])

    async def stat(self, key: str) -> StoredObject | None:
        """The object's size and, where the server tells it, its checksum. None if there is no object."""
        response = await self._head(key, ChecksumMode="ENABLED")
        if response is None:
            return None
        return StoredObject(response["ContentLength"], decoded(response.get("ChecksumCRC64NVME")))

    async def _head(self, key: str, **params: str) -> dict[str, Any] | None:
        try:
            return await self._call("head", "head_object", key, **params)
        except StoreError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            return None

    async def delete(self, key: str) -> None:
        try:
            await self._call("delete", "delete_object", key)
        except StoreError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise

    async def page(self, prefix: str, token: str) -> tuple[list[ObjectInfo], str | None]:
        """One page of the listing, the first for the token "", and the token of the next or None."""
        more = {"ContinuationToken": token} if token else {}
        response = await self._bucket_call("list", "list_objects_v2", prefix, Prefix=self._prefix + prefix, **more)
        skip = len(self._prefix)
        found = [ObjectInfo(item["Key"][skip:], item["Size"]) for item in response.get("Contents", ())]
        return found, response.get("NextContinuationToken")

    async def _send(
        self, operation: str, method: str, key: str, data: memoryview, crc: int, **params: Any
    ) -> dict[str, Any]:
        checksum = {"ChecksumCRC64NVME": encoded(crc)}
        response = await self._with_checksum(
            operation, method, key, checksum, Body=Body(data), ContentLength=len(data), **params
        )
        _verify(response, operation, key, crc)
        return response

    async def _with_checksum(
        self, operation: str, method: str, key: str, checksum: dict[str, str], **params: Any
    ) -> dict[str, Any]:
        if not self._checksums:
            return await self._call(operation, method, key, **params)
        try:
            return await self._call(operation, method, key, **params, **checksum)
        except StoreError as error:
            if error.kind is not Kind.PERMANENT:
                raise
            response = await self._call(operation, method, key, **params)
            # The very same request passed without it, so it was the checksum that the server did not know.
            self._checksums = False
            return response

    async def _call(self, operation: str, method: str, key: str, **params: Any) -> dict[str, Any]:
        return await self._bucket_call(operation, method, key, Key=self._prefix + key, **params)

    async def _bucket_call(self, operation: str, method: str, key: str, **params: Any) -> dict[str, Any]:
        try:
            response: dict[str, Any] = await getattr(self._client, method)(Bucket=self._bucket, **params)
        except S3_ERRORS as error:
            raise classify(error, operation, key) from error
        return response


def _expect(response: dict[str, Any], field: str, operation: str, key: str) -> Any:
    if not response.get(field):
        raise StoreError(Kind.TRANSIENT, operation, key, f"the server's answer has no {field}")
    return response[field]


def _verify(response: dict[str, Any], operation: str, key: str, crc: int) -> bool:
    """Compare the checksum in a response, if there is one of the whole body; return whether there was."""
    returned = decoded(response.get("ChecksumCRC64NVME"))
    if returned is None:
        return False
    if returned != crc:
        reason = f"the server stored {encoded(returned)}, sent was {encoded(crc)}"
        raise StoreError(Kind.CORRUPT, operation, key, reason)
    return True
