"""What the design says of each server is what an examination finds, and it leaves nothing behind."""

from __future__ import annotations

import pytest
import trio

from artifactd.daemon.stores.doctor.examine import examine
from artifactd.daemon.stores.doctor.report import Level
from artifactd.daemon.stores.factory import GCSOptions
from doctor.gatekeeper import Gatekeeper
from doctor.support import examined, failures, objects, options, topics
from servers.buckets import create_bucket, s3_client
from servers.process import S3Server
from stores.scripted import Answer, Request, open_server

VERIFIES, IGNORES, REFUSES = "verifies", "ignores", "refuses"
COMMON = {"ranges": True, "multipart": True, "resuming": True, "orphans": True, "delete": True}
KNOWN: dict[str, dict[str, object]] = {
    "ministack": {
        "conditional put": True,
        "checksum CRC64NVME": VERIFIES,
        "checksum CRC32C": VERIFIES,
        "checksum SHA256": VERIFIES,
        "checksum MD5": VERIFIES,
        "checksums of parts": VERIFIES,
        "checksum of the whole": REFUSES,
        "versioning": False,
    },
    "juicefs": {
        "conditional put": False,
        "checksum CRC64NVME": IGNORES,
        "checksum CRC32C": IGNORES,
        "checksums of parts": IGNORES,
        "checksum of the whole": IGNORES,
        "versioning": None,
    },
    "swift": {
        "conditional put": True,
        "checksum CRC64NVME": VERIFIES,
        "checksum CRC32C": VERIFIES,
        "checksum SHA256": VERIFIES,
        "checksum MD5": VERIFIES,
        "checksums of parts": VERIFIES,
        "checksum of the whole": IGNORES,
        "versioning": False,
    },
    "moto": {
        "checksum CRC64NVME": IGNORES,
        "checksum CRC32C": IGNORES,
        "checksum SHA256": IGNORES,
        "checksum of the whole": IGNORES,
        "versioning": False,
    },
}


@pytest.mark.parametrize("name", KNOWN)
async def test_a_server_is_found_to_be_what_it_is(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: S3Server = request.getfixturevalue(f"{name}_server")
    for variable, value in server.environ.items():
        monkeypatch.setenv(variable, value)
    bucket = create_bucket(server)
    report = await examined(f"s3://{bucket}/some/prefix", server.endpoint)
    wanted = COMMON | KNOWN[name]
    assert {topic: topics(report)[topic].value for topic in wanted} == wanted
    assert report.works
    assert report.left == ()
    assert objects(server, bucket) == []
    speeds = [topics(report)[topic].value for topic in ("latency", "throughput")]
    assert all(isinstance(speed, float | int) and speed > 0 for speed in speeds)


async def test_versioning_is_seen(moto_server: S3Server) -> None:
    bucket = create_bucket(moto_server)
    client = s3_client(moto_server)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    report = await examined(f"s3://{bucket}", moto_server.endpoint)
    found = topics(report)["versioning"]
    assert (found.value, found.level) == (True, Level.NOTE)
    assert "noncurrent" in found.follows


async def test_a_cancelled_examination_removes_what_it_made(ministack_server: S3Server) -> None:
    bucket = create_bucket(ministack_server)
    seen = []
    with trio.CancelScope() as scope:

        def progress(step: str) -> None:
            seen.append(objects(ministack_server, bucket))
            if step == "multipart uploads":
                scope.cancel()

        await examine(f"s3://{bucket}", options(ministack_server.endpoint), GCSOptions(), progress)
    assert scope.cancelled_caught
    assert seen[-1]
    assert objects(ministack_server, bucket) == []


async def test_encryption_that_a_server_passes_over_is_a_warning(ministack_server: S3Server) -> None:
    bucket = create_bucket(ministack_server)

    def forget(request: Request) -> Answer:
        reply = keeper.forward(request)
        kept = [(name, value) for name, value in reply.headers if "encryption" not in name.lower()]
        return Answer(reply.status, reply.body, tuple(kept))

    keeper = Gatekeeper(ministack_server, judge=forget)
    async with open_server(keeper.answer) as endpoint:
        report = await examined(f"s3://{bucket}", endpoint, sse="AES256")
    assert topics(report)["encryption"].level is Level.WARNING
    assert report.works


async def test_encryption_that_is_refused_is_told_from_a_refused_put(ministack_server: S3Server) -> None:
    bucket = create_bucket(ministack_server)

    def no_key(request: Request) -> Answer | None:
        refused = "x-amz-server-side-encryption" in request.headers
        return Answer(403, b"<Error><Code>AccessDenied</Code></Error>") if refused else None

    async with open_server(Gatekeeper(ministack_server, judge=no_key).answer) as endpoint:
        report = await examined(f"s3://{bucket}", endpoint, sse="aws:kms", kms_key_id="key")
    assert failures(report) == ["new objects"]
    assert objects(ministack_server, bucket) == []


async def test_a_server_without_ranges_cannot_be_worked_with(ministack_server: S3Server) -> None:
    bucket = create_bucket(ministack_server)

    def whole(request: Request) -> Answer | None:
        if "range" not in request.headers:
            return None
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        return keeper.forward(Request(request.method, request.target, headers, request.body))

    keeper = Gatekeeper(ministack_server, judge=whole)
    async with open_server(keeper.answer) as endpoint:
        report = await examined(f"s3://{bucket}", endpoint)
    assert failures(report) == ["ranges"]


async def test_a_server_that_knows_no_multipart_uploads_cannot_be_worked_with(ministack_server: S3Server) -> None:
    bucket = create_bucket(ministack_server)

    def not_implemented(request: Request) -> Answer | None:
        unknown = request.method == "POST"
        return Answer(501, b"<Error><Code>NotImplemented</Code></Error>") if unknown else None

    async with open_server(Gatekeeper(ministack_server, judge=not_implemented).answer) as endpoint:
        report = await examined(f"s3://{bucket}", endpoint)
    assert "multipart" in failures(report)
    assert objects(ministack_server, bucket) == []
