"""The pieces of the S3 store that decide something, each alone."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.buckets.buffers import Buffers
from artifactd.daemon.stores.s3.errors import classify
from artifactd.daemon.stores.s3.options import MAX_PARTS, part_size_for
from artifactd.daemon.stores.s3.requests import Part, Requests

MIB = 1 << 20


def answered(code: str, status: int) -> ClientError:
    response = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Something")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", 503, Kind.THROTTLED),
        ("TooManyRequests", 400, Kind.THROTTLED),
        ("", 503, Kind.THROTTLED),
        ("AccessDenied", 403, Kind.DENIED),
        ("ExpiredToken", 400, Kind.DENIED),
        ("403", 403, Kind.DENIED),
        ("NoSuchKey", 404, Kind.NOT_FOUND),
        ("404", 404, Kind.NOT_FOUND),
        ("NoSuchBucket", 404, Kind.DENIED),
        ("PreconditionFailed", 412, Kind.CONFLICT),
        ("BadDigest", 400, Kind.CORRUPT),
        ("XAmzContentChecksumMismatch", 400, Kind.CORRUPT),
        ("InternalError", 500, Kind.TRANSIENT),
        ("RequestTimeout", 400, Kind.TRANSIENT),
        ("Whatever", 502, Kind.TRANSIENT),
        ("NotImplemented", 501, Kind.PERMANENT),
        ("EntityTooLarge", 400, Kind.PERMANENT),
    ],
)
def test_an_answer_is_classified_by_code_then_status(code: str, status: int, kind: Kind) -> None:
    error = classify(answered(code, status), "put", "aa/object")
    assert (error.kind, error.operation, error.key) == (kind, "put", "aa/object")
    assert f"{code}: because" in error.reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ExpiredToken", "the credentials were refused (ExpiredToken: because)"),
        ("InvalidAccessKeyId", "the credentials were refused (InvalidAccessKeyId)"),
        ("AccessDenied", "the credentials do not suffice (AccessDenied: because)"),
        ("RequestTimeTooSkewed", "the clocks here and there differ too much (RequestTimeTooSkewed: because)"),
    ],
)
def test_what_an_operator_has_to_mend_is_said_in_words(code: str, reason: str) -> None:
    assert classify(answered(code, 403), "put", "aa/object").reason == reason


@pytest.mark.parametrize(
    ("error", "put", "get"),
    [
        (NoCredentialsError(), Kind.DENIED, Kind.DENIED),
        (ConnectTimeoutError(endpoint_url="x"), Kind.TRANSIENT, Kind.TRANSIENT),
        (
            EndpointConnectionError(
                endpoint_url="x",
                error=aiohttp.ClientConnectorError(None, OSError("refused")),
            ),
            Kind.TRANSIENT,
            Kind.TRANSIENT,
        ),
        (
            EndpointConnectionError(endpoint_url="x", error=aiohttp.ClientOSError("reset")),
            Kind.UNKNOWN_OUTCOME,
            Kind.TRANSIENT,
        ),
        (ReadTimeoutError(endpoint_url="x"), Kind.UNKNOWN_OUTCOME, Kind.TRANSIENT),
        (ConnectionClosedError(endpoint_url="x"), Kind.UNKNOWN_OUTCOME, Kind.TRANSIENT),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Kind.UNKNOWN_OUTCOME, Kind.TRANSIENT),
        (aiohttp.ClientPayloadError("cut"), Kind.UNKNOWN_OUTCOME, Kind.TRANSIENT),
        (TimeoutError(), Kind.UNKNOWN_OUTCOME, Kind.TRANSIENT),
        (ParamValidationError(report="bad"), Kind.PERMANENT, Kind.PERMANENT),
    ],
)
def test_no_answer_is_unknown_only_where_it_can_have_taken_effect(error: Exception, put: Kind, get: Kind) -> None:
    assert classify(error, "put", "k").kind is put
    assert classify(error, "get", "k").kind is get


def test_an_upload_that_vanished_is_worth_another_attempt_but_is_gone_for_abort() -> None:
    assert classify(answered("NoSuchUpload", 404), "put part of", "k").kind is Kind.TRANSIENT
    assert classify(answered("NoSuchUpload", 404), "abort", "k").kind is Kind.NOT_FOUND


@pytest.mark.parametrize("size", [0, 1, 16 * MIB, 16 * MIB * MAX_PARTS, 16 * MIB * MAX_PARTS + 1, 5 << 40])
def test_any_object_fits_into_the_parts_that_s3_allows(size: int) -> None:
    part = part_size_for(size, 16 * MIB)
    assert part >= 16 * MIB
    assert part % MIB == 0
    assert -(-size // part) <= MAX_PARTS


def test_parts_grow_only_when_they_must() -> None:
    assert part_size_for(16 * MIB * MAX_PARTS, 16 * MIB) == 16 * MIB
    assert part_size_for(16 * MIB * MAX_PARTS + 1, 16 * MIB) == 17 * MIB


class OldServer:
    """Knows objects and multipart uploads, but no checksum of the kinds in `unknown`."""

    def __init__(self, *unknown: str, code: str = "NotImplemented") -> None:
        self.unknown = unknown
        self.code = code
        self.requests: list[tuple[str, bool]] = []

    def __getattr__(self, method: str) -> Any:
        async def answer(**params: Any) -> dict[str, Any]:
            checksum = any(name.startswith("Checksum") for name in params)
            self.requests.append((method, checksum))
            if checksum and method in self.unknown:
                raise answered(self.code, 400)
            return {"UploadId": "id", "ETag": "e"}

        return answer


def test_a_server_that_knows_no_checksum_is_asked_only_once() -> None:
    server = OldServer("upload_part")
    requests = Requests(server, "bucket", "")

    async def run() -> None:
        await requests.put_part("a", "id", 1, memoryview(b"a"), 1)
        await requests.put_part("b", "id", 1, memoryview(b"b"), 2)
        assert await requests.create("c") == "id"

    asyncio.run(run())
    assert server.requests == [
        ("upload_part", True),
        ("upload_part", False),
        ("upload_part", False),
        ("create_multipart_upload", False),
    ]


def test_a_refusal_that_is_not_about_the_checksum_changes_nothing() -> None:
    class Refusing(OldServer):
        def __getattr__(self, method: str) -> Any:
            async def answer(**params: Any) -> dict[str, Any]:
                self.requests.append((method, "ChecksumCRC64NVME" in params))
                raise answered("EntityTooLarge", 400)

            return answer

    server = Refusing()
    requests = Requests(server, "bucket", "")

    async def run() -> None:
        for _ in range(2):
            with pytest.raises(StoreError):
                await requests.put_part("a", "id", 1, memoryview(b"a"), 1)

    asyncio.run(run())
    assert server.requests == [("upload_part", True), ("upload_part", False)] * 2


def test_a_server_that_refuses_a_right_checksum_of_the_whole_completes_without() -> None:
    server = OldServer("complete_multipart_upload", code="BadDigest")
    requests = Requests(server, "bucket", "")

    async def run() -> None:
        for _ in range(2):
            assert not await requests.complete("a", "id", [Part(1, "e", 1, 1)], 1)
        await requests.put_part("b", "id", 1, memoryview(b"b"), 2)

    asyncio.run(run())
    assert server.requests == [
        ("complete_multipart_upload", True),
        ("complete_multipart_upload", False),
        ("complete_multipart_upload", False),
        ("upload_part", True),
    ]


@pytest.mark.parametrize(
    ("returned", "vouched"), [("AAAAAAAAAAE=", True), ("AAAAAAAAAAE=-1", False), (None, False)]
)
def test_a_returned_checksum_of_the_whole_is_compared(returned: str | None, vouched: bool) -> None:
    class Server:
        async def complete_multipart_upload(self, **_: object) -> dict[str, str]:
            return {"ChecksumCRC64NVME": returned} if returned else {}

    requests = Requests(Server(), "bucket", "")
    assert asyncio.run(requests.complete("a", "id", [Part(1, "e", 1, 1)], 1)) is vouched
    if vouched:
        with pytest.raises(StoreError) as caught:
            asyncio.run(requests.complete("a", "id", [Part(1, "e", 2, 1)], 2))
        assert caught.value.kind is Kind.CORRUPT


def test_leases_stay_within_the_budget_and_are_granted_in_order() -> None:
    async def run() -> list[int]:
        buffers = Buffers(part_size=4, budget=8)
        granted: list[int] = []

        async def ask(number: int, size: int) -> bytearray:
            buffer = await buffers.lease(size)
            granted.append(number)
            return buffer

        first, second = await ask(1, 4), await ask(2, 4)
        waiting = [asyncio.create_task(ask(number, size)) for number, size in [(3, 8), (4, 1)]]
        await asyncio.sleep(0)
        buffers.release(first, reusable=True)
        await asyncio.sleep(0)
        assert granted == [1, 2]
        buffers.release(second, reusable=True)
        buffers.release(await waiting[0], reusable=True)
        await waiting[1]
        return granted

    assert asyncio.run(run()) == [1, 2, 3, 4]


def test_a_lease_larger_than_the_budget_is_granted_alone() -> None:
    async def run() -> None:
        buffers = Buffers(part_size=4, budget=8)
        small = await buffers.lease(1)
        large = asyncio.create_task(buffers.lease(100))
        await asyncio.sleep(0)
        assert not large.done()
        buffers.release(small, reusable=False)
        assert len(await large) == 100

    asyncio.run(run())


@pytest.mark.parametrize("granted", [False, True])
def test_a_cancelled_lease_holds_nobody_up(granted: bool) -> None:
    async def run() -> None:
        buffers = Buffers(part_size=4, budget=8)
        first = await buffers.lease(8)
        cancelled = asyncio.create_task(buffers.lease(8))
        behind = asyncio.create_task(buffers.lease(8))
        await asyncio.sleep(0)
        if granted:
            buffers.release(first, reusable=False)
        cancelled.cancel()
        await asyncio.sleep(0)
        if not granted:
            buffers.release(first, reusable=False)
        async with asyncio.timeout(5):
            await behind

    asyncio.run(run())


def test_only_buffers_that_nothing_can_send_from_are_used_again() -> None:
    async def run() -> None:
        buffers = Buffers(part_size=4, budget=12)
        keeper, clean, suspect = [await buffers.lease(4) for _ in range(3)]
        buffers.release(clean, reusable=True)
        buffers.release(suspect, reusable=False)
        again = [await buffers.lease(4) for _ in range(2)]
        assert again[0] is clean
        assert again[1] is not suspect
        for buffer in [keeper, *again]:
            buffers.release(buffer, reusable=True)

    asyncio.run(run())
