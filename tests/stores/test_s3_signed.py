"""Single PUTs without the SDK: signed as it signs, refused as it is, and given to it where it knows more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.factory import S3Options, open_store
from artifactd.daemon.stores.s3.client import open_client
from artifactd.daemon.stores.s3.requests import Requests
from servers.process import S3Server
from stores.conftest import s3_place
from stores.support import Journal, get, keys

Answer = Callable[[web.Request], web.Response]
DATA = memoryview(b"the bytes")


class Server:
    """Answers each PUT with the next of `answers`, then with success, and keeps the requests."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[web.Request] = []

    async def take(self, request: web.Request) -> web.Response:
        assert await request.read() == DATA
        self.requests.append(request)
        return self.answers.pop(0)(request) if self.answers else web.Response(headers={"ETag": '"e"'})


def error(status: int, code: str, **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>" if code else "<html>"
    return lambda _: web.Response(status=status, body=body.encode(), headers=headers)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token")
    return Server()


def talk(server: Server, work: Callable[[Requests, Any], Awaitable[None]]) -> None:
    """Run `work(requests, client)` on an asyncio loop, with the server in it."""

    async def main() -> None:
        application = web.Application()
        application.router.add_put("/{key:.*}", server.take)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        options = S3Options(endpoint_url=f"http://{host}:{port}", region="eu-west-1", addressing_style="path")
        client = await open_client(options, 4)
        try:
            await work(Requests(client, "bucket", "some prefix/"), client)
        finally:
            await client.close()
            await runner.cleanup()

    asyncio.run(main())


def test_the_signature_is_the_one_that_the_sdk_would_have_made(server: Server) -> None:
    async def work(requests: Requests, _: Any) -> None:
        await requests.put("aa/key + ü~", DATA, 5)

    talk(server, work)
    (sent,) = server.requests
    assert sent.raw_path == "/bucket/some%20prefix/aa/key%20%2B%20%C3%BC~"
    signed = sent.headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"content-length", "host", "x-amz-checksum-crc64nvme", "x-amz-security-token"} < set(signed)

    again = AWSRequest("PUT", f"http://{sent.host}{sent.raw_path}")
    for name in signed:
        again.headers[name] = sent.headers[name]
    again.context = {"client_config": Config(s3={"payload_signing_enabled": False})}
    again.context["timestamp"] = sent.headers["X-Amz-Date"]
    auth = S3SigV4Auth(Credentials("the-key", "the-secret", "the-token"), "s3", "eu-west-1")
    canonical = auth.canonical_request(again)
    signature = auth.signature(auth.string_to_sign(again, canonical), again)
    assert sent.headers["Authorization"].endswith(f"Signature={signature}")


def test_credentials_that_were_refused_are_found_anew_for_the_next_object(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifactd.daemon.stores.s3.credentials._FORGET_SECONDS", 0.0)
    server.answers = [error(403, "ExpiredToken"), error(403, "ExpiredToken")]

    async def work(requests: Requests, _: Any) -> None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", "another-token")
        with pytest.raises(StoreError) as caught:
            await requests.put("aa/one", DATA, 5)
        assert caught.value.kind is Kind.DENIED
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a-third-token")
        await requests.put("aa/two", DATA, 5)

    talk(server, work)
    tokens = [sent.headers["x-amz-security-token"] for sent in server.requests]
    assert tokens == ["another-token", "another-token", "a-third-token"]


def test_the_objects_of_a_client_share_one_pattern(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    async def work(requests: Requests, client: Any) -> None:
        client.meta.events.register("before-call.s3.PutObject", lambda **_: built.append(1))
        await asyncio.gather(*(requests.put(f"aa/{n}", DATA, 5) for n in range(8)))

    talk(server, work)
    assert len(server.requests) == 8
    assert built == [1]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", Kind.THROTTLED),
        (503, "", Kind.THROTTLED),
        (500, "InternalError", Kind.TRANSIENT),
        (502, "", Kind.TRANSIENT),
        (400, "BadDigest", Kind.CORRUPT),
        (400, "RequestTimeout", Kind.TRANSIENT),
        (412, "PreconditionFailed", Kind.CONFLICT),
    ],
)
def test_an_error_has_the_kind_that_the_sdk_would_have_given_it(
    server: Server, status: int, code: str, kind: Kind
) -> None:
    server.answers = [error(status, code)]

    async def work(requests: Requests, _: Any) -> None:
        with pytest.raises(StoreError) as caught:
            await requests.put("aa/object", DATA, 5)
        assert caught.value.kind is kind
        assert (caught.value.operation, caught.value.key) == ("put", "aa/object")

    talk(server, work)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket"), (501, "NotImplemented")]
)
def test_what_is_refused_is_given_to_the_sdk_before_it_counts(server: Server, status: int, code: str) -> None:
    server.answers = [error(status, code)]

    async def work(requests: Requests, _: Any) -> None:
        await requests.put("aa/object", DATA, 5)
        await requests.put("aa/next", DATA, 5)

    talk(server, work)
    assert [sent.path for sent in server.requests] == [
        "/bucket/some prefix/aa/object",
        "/bucket/some prefix/aa/object",
        "/bucket/some prefix/aa/next",
    ]


def test_what_the_sdk_learns_of_a_buckets_region_is_the_next_pattern(server: Server) -> None:
    moved = error(301, "PermanentRedirect", **{"x-amz-bucket-region": "ap-south-1"})
    server.answers = [moved, moved]

    async def work(requests: Requests, _: Any) -> None:
        await requests.put("aa/object", DATA, 5)
        await requests.put("aa/next", DATA, 5)

    talk(server, work)
    regions = [sent.headers["Authorization"].split("/")[2] for sent in server.requests]
    assert regions == ["eu-west-1", "eu-west-1", "ap-south-1", "ap-south-1"]


def test_a_server_that_knows_no_checksums_is_sent_none_any_more(server: Server) -> None:
    server.answers = [error(501, "NotImplemented"), error(501, "NotImplemented")]

    async def work(requests: Requests, _: Any) -> None:
        await requests.put("aa/object", DATA, 5)
        await requests.put("aa/next", DATA, 5)

    talk(server, work)
    checksums = ["x-amz-checksum-crc64nvme" in sent.headers for sent in server.requests]
    assert checksums == [True, True, False, False]


def test_a_checksum_that_is_not_ours_is_found_out(server: Server) -> None:
    server.answers = [lambda _: web.Response(headers={"x-amz-checksum-crc64nvme": "AAAAAAAAAAY="})]

    async def work(requests: Requests, _: Any) -> None:
        with pytest.raises(StoreError) as caught:
            await requests.put("aa/object", DATA, 5)
        assert caught.value.kind is Kind.CORRUPT

    talk(server, work)


def test_without_credentials_it_is_denied(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(requests: Requests, client: Any) -> None:
        client._request_signer._credentials = None
        with pytest.raises(StoreError) as caught:
            await requests.put("aa/object", DATA, 5)
        assert caught.value.kind is Kind.DENIED

    talk(server, work)
    assert server.requests == []


@pytest.mark.parametrize("server_name", ["juicefs_server", "ministack_server"])
async def test_keys_that_a_url_must_quote_reach_real_servers(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, journal: Journal, server_name: str
) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    place = s3_place(server, monkeypatch)
    names = ["aa/a b", "aa/c+d=&?#", "aa/%41", "aa/ü~"]
    async with open_store(place.url, s3=place.options, journal=journal) as store:
        assert await store.put_batch([(name, name.encode()) for name in names]) == [None] * len(names)
        assert sorted(await keys(store)) == sorted(names)
        assert [await get(store, name) for name in names] == [name.encode() for name in names]


def test_a_signature_serves_for_its_second_and_the_next_one_is_new(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    clock = SimpleNamespace(time=lambda: 1_700_000_000 + now, gmtime=time.gmtime, strftime=time.strftime)
    monkeypatch.setattr("artifactd.daemon.stores.s3.signature.time", clock)

    async def work(requests: Requests, _: Any) -> None:
        nonlocal now
        for second in (0.0, 0.9, 1.0):
            now = second
            await requests.put("aa/object", DATA, 5)

    talk(server, work)
    stamps = [sent.headers["x-amz-date"] for sent in server.requests]
    assert stamps == ["20231114T221320Z", "20231114T221320Z", "20231114T221321Z"]
