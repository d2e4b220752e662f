"""Answers that lie, come late, or not at all; and credentials that expire under an upload."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import trio
from blake3 import blake3

from artifactd.daemon.stores import retry
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.buckets import body
from artifactd.daemon.stores.factory import S3Options, open_store
from artifactd.daemon.stores.s3 import body as s3_body
from artifactd.daemon.stores.s3 import client as s3_client
from servers.process import free_port
from stores.scripted import Answer, Request, certificate, error, open_server
from stores.support import MIB, Journal, put, some_bytes

STALL = 0.4
NOT_FOUND = Answer(404, headers=(("Content-Length", "0"),))


def found(size: int, *headers: tuple[str, str]) -> Answer:
    return Answer(headers=(("ETag", '"etag"'), ("Content-Length", str(size)), *headers))


@pytest.fixture(autouse=True)
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only ones, in a file."""
    path = tmp_path / "credentials"
    write_key(path, "GOOD")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return path


def write_key(path: Path, key: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")


def write_nothing(path: Path) -> None:
    path.write_text("")


def options(endpoint: str, **more: object) -> S3Options:
    return S3Options(endpoint_url=endpoint, region="us-east-1", addressing_style="path", **more)  # type: ignore


class Server:
    """Takes single PUTs; `puts` and `heads` answer in order, the last one all that follow."""

    def __init__(self, puts: list[Answer], heads: list[Answer] | None = None) -> None:
        self.left = {"PUT": puts, "HEAD": heads or [NOT_FOUND]}
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        answers = self.left[request.method]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]


DATA = b"the bytes"
RIGHT_CRC = "TNcPm5A8Qlk="


async def put_small(server: Server, journal: Journal) -> StoreError | None:
    async with (
        open_server(server.answer) as endpoint,
        open_store("s3://b", s3=options(endpoint), journal=journal) as store,
    ):
        (outcome,) = await store.put_batch([("aa/object", DATA)])
        return outcome


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        pytest.param(found(len(DATA)), None, id="there"),
        pytest.param(found(len(DATA), ("x-amz-checksum-crc64nvme", RIGHT_CRC)), None, id="with this checksum"),
        pytest.param(NOT_FOUND, Kind.UNKNOWN_OUTCOME, id="not there"),
        pytest.param(found(len(DATA) - 1), Kind.UNKNOWN_OUTCOME, id="another size"),
        pytest.param(
            found(len(DATA), ("x-amz-checksum-crc64nvme", "AAAAAAAAAAE=")),
            Kind.UNKNOWN_OUTCOME,
            id="another checksum",
        ),
        pytest.param(error("SlowDown", 503), Kind.UNKNOWN_OUTCOME, id="looking fails"),
    ],
)
async def test_a_put_whose_answer_was_lost_is_settled_by_looking_and_not_repeated_in_silence(
    journal: Journal, head: Answer, kind: Kind | None
) -> None:
    server = Server([Answer(cut=True)], [head])
    failure = await put_small(server, journal)
    assert (failure and failure.kind) == kind
    assert server.methods() == ["PUT", "HEAD"]


async def test_what_was_written_before_is_no_conflict(journal: Journal) -> None:
    server = Server([error("PreconditionFailed", 412)], [found(len(DATA))])
    assert await put_small(server, journal) is None


async def test_another_object_under_the_key_is_a_conflict(journal: Journal) -> None:
    failure = await put_small(Server([error("PreconditionFailed", 412)], [found(3)]), journal)
    assert failure is not None
    assert failure.kind is Kind.CONFLICT


async def test_a_success_whose_body_is_an_error_is_one(journal: Journal) -> None:
    failure = await put_small(Server([error("InternalError", 200)]), journal)
    assert failure is not None
    assert failure.kind is Kind.TRANSIENT


class MultipartServer:
    """Takes a multipart upload; `complete` answers its completion."""

    def __init__(self, complete: Callable[[], Answer], head: Answer) -> None:
        self._complete = complete
        self._head = head
        self.completions = 0

    def answer(self, request: Request) -> Answer:
        if request.method == "POST" and "uploadId=" not in request.target:
            body = "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"
            return Answer(body=body.encode())
        if request.method == "POST":
            self.completions += 1
            return self._complete()
        return {"HEAD": self._head, "DELETE": Answer(204)}.get(request.method, Answer())


SIZE = 9 * MIB


@pytest.mark.parametrize(
    "complete",
    [
        pytest.param(lambda: error("InternalError", 200), id="200 with an error in the body"),
        pytest.param(lambda: Answer(body=b"<Complete"), id="200 with half a body"),
        pytest.param(lambda: error("NoSuchUpload", 404), id="no such upload any more"),
        pytest.param(lambda: Answer(cut=True), id="no answer"),
        pytest.param(
            lambda: Answer(body=b"<CompleteMultipartUploadResult/>"), id="an answer that vouches for nothing"
        ),
    ],
)
@pytest.mark.parametrize("there", [True, False])
async def test_a_completion_is_believed_only_when_the_object_is_there(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, complete: Callable[[], Answer], there: bool
) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.001)
    server = MultipartServer(complete, found(SIZE) if there else NOT_FOUND)
    async with (
        open_server(server.answer) as endpoint,
        open_store("s3://b", s3=options(endpoint), journal=journal) as store,
    ):
        if there:
            await put(store, "aa/object", some_bytes(SIZE))
            assert server.completions == 1
            assert journal.open == {}
        else:
            with pytest.raises(StoreError) as caught:
                await put(store, "aa/object", some_bytes(SIZE))
            assert caught.value.kind in (Kind.TRANSIENT, Kind.UNKNOWN_OUTCOME)
            assert list(journal.open) == ["aa/object"]


@pytest.mark.parametrize("secure", [False, True])
async def test_slow_is_not_dead(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secure: bool
) -> None:
    """The whole takes several times as long as the peer may stand still."""
    monkeypatch.setattr(s3_body, "STALL_TIMEOUT", STALL)
    monkeypatch.setattr(body, "_SETTLE_SECONDS", STALL)
    monkeypatch.setattr(s3_client, "_READ_TIMEOUT", 3 * STALL)
    tls, trusted = certificate(tmp_path) if secure else (None, None)
    server, data = Server([Answer()]), some_bytes(8 * MIB)
    began = time.monotonic()
    async with open_server(server.answer, pause=0.005 if secure else 0.02, tls=tls) as endpoint:
        s3 = options(endpoint, ca_bundle=trusted and str(trusted))
        async with open_store("s3://b", s3=s3, journal=journal) as store:
            await put(store, "aa/object", data)
    assert time.monotonic() - began > 5 * STALL
    assert blake3(server.requests[0].body).digest() == blake3(data).digest()
    assert server.methods() == ["PUT"]


@pytest.mark.parametrize(("secure", "stop_at"), [(False, MIB), (True, MIB), (False, 8 * MIB), (True, 8 * MIB)])
async def test_a_peer_that_takes_no_more_or_never_answers_is_given_up(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secure: bool, stop_at: int
) -> None:
    monkeypatch.setattr(s3_body, "STALL_TIMEOUT", STALL)
    monkeypatch.setattr(s3_client, "_READ_TIMEOUT", STALL)
    tls, trusted = certificate(tmp_path) if secure else (None, None)
    async with open_server(Server([Answer()]).answer, stop_at=stop_at, tls=tls) as endpoint:
        s3 = options(endpoint, ca_bundle=trusted and str(trusted))
        async with open_store("s3://b", s3=s3, journal=journal) as store:
            with trio.fail_after(20), pytest.raises(StoreError) as caught:
                await put(store, "aa/object", some_bytes(8 * MIB))
    assert caught.value.kind is Kind.UNKNOWN_OUTCOME


async def test_a_certificate_that_is_not_trusted_is_refused(journal: Journal, tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path)
    async with (
        open_server(Server([Answer()]).answer, tls=tls) as endpoint,
        open_store("s3://b", s3=options(endpoint), journal=journal) as store,
    ):
        with pytest.raises(StoreError, match="certificate verify failed"):
            await put(store, "aa/object", DATA)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "RequestTimeTooSkewed"])
async def test_credentials_that_were_replaced_are_used_without_a_restart(
    journal: Journal, credentials: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr("artifactd.daemon.stores.s3.credentials._FORGET_SECONDS", 0.0)

    def answer(request: Request) -> Answer:
        return Answer() if "Credential=NEW/" in request.headers["authorization"] else error(code, 403)

    async with (
        open_server(answer) as endpoint,
        open_store("s3://b", s3=options(endpoint), journal=journal) as store,
    ):
        for _ in range(3):
            (failure,) = await store.put_batch([("aa/object", DATA)])
            assert failure is not None
            assert failure.kind is Kind.DENIED
        write_key(credentials, "NEW")
        outcomes = [await store.put_batch([("aa/object", DATA)]) for _ in range(2)]
    # The first attempt may still be signed with what was read before.
    assert outcomes[-1] == [None]


async def test_credentials_that_are_gone_and_come_back_are_found(
    journal: Journal, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifactd.daemon.stores.s3.credentials._FORGET_SECONDS", 0.0)
    write_nothing(credentials)
    async with (
        open_server(Server([Answer()]).answer) as endpoint,
        open_store("s3://b", s3=options(endpoint), journal=journal) as store,
    ):
        (failure,) = await store.put_batch([("aa/object", DATA)])
        assert failure is not None
        assert failure.kind is Kind.DENIED
        write_key(credentials, "NEW")
        assert await store.put_batch([("aa/object", DATA)]) == [None]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {}),
        ({"sse": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {"sse": "aws:kms", "kms_key_id": "key", "storage_class": "STANDARD_IA"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "key",
                "x-amz-storage-class": "STANDARD_IA",
            },
        ),
    ],
)
@pytest.mark.parametrize("size", [10, SIZE])
async def test_new_objects_are_encrypted_and_classed_as_the_settings_say(
    journal: Journal, more: dict[str, str], expected: dict[str, str], size: int
) -> None:
    seen: dict[str, Request] = {}
    multipart = MultipartServer(lambda: Answer(body=b"<CompleteMultipartUploadResult/>"), found(size))

    def answer(request: Request) -> Answer:
        seen.setdefault(request.method, request)
        return multipart.answer(request)

    async with (
        open_server(answer) as endpoint,
        open_store("s3://b", s3=options(endpoint, **more), journal=journal) as store,
    ):
        await put(store, "aa/object", some_bytes(size))
    headers = seen["PUT" if size == 10 else "POST"].headers
    prefixes = ("x-amz-server-side", "x-amz-storage")
    assert {name: value for name, value in headers.items() if name.startswith(prefixes)} == expected


async def test_a_proxy_is_used(journal: Journal) -> None:
    server = Server([Answer()])
    async with open_server(server.answer) as proxy:
        s3 = options("http://bucket-server.invalid:9000", proxy=proxy)
        async with open_store("s3://b", s3=s3, journal=journal) as store:
            assert await store.put_batch([("aa/object", DATA)]) == [None]
    assert server.requests[0].target == "http://bucket-server.invalid:9000/b/aa/object"


async def test_a_proxy_that_cannot_be_reached_is_named_and_nothing_was_sent(journal: Journal) -> None:
    s3 = options("http://bucket-server.invalid:9000", proxy=f"http://127.0.0.1:{free_port()}")
    async with open_store("s3://b", s3=s3, journal=journal) as store:
        (failure,) = await store.put_batch([("aa/object", DATA)])
    assert failure is not None
    assert failure.kind is Kind.TRANSIENT
    assert "proxy" in failure.reason


@pytest.mark.parametrize(
    ("style", "address"),
    [
        ("path", "http://s3.example.org/bucket/aa/object"),
        ("virtual", "http://bucket.s3.example.org/aa/object"),
        # With an endpoint that is named, the SDK's own choice is the path.
        ("auto", "http://s3.example.org/bucket/aa/object"),
    ],
)
async def test_endpoint_region_and_style_say_where_a_request_goes(
    journal: Journal, style: Literal["path", "virtual", "auto"], address: str
) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer()

    async with open_server(answer) as proxy:
        options = S3Options("http://s3.example.org", "eu-west-3", style, proxy)
        async with open_store("s3://bucket", s3=options, journal=journal) as store:
            assert await store.put_batch([("aa/object", DATA)]) == [None]
            await store.delete("aa/object")
    assert [(request.method, request.target) for request in seen] == [("PUT", address), ("DELETE", address)]
    assert all("/eu-west-3/s3/" in request.headers["authorization"] for request in seen)
