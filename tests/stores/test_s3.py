"""What only S3 does: multipart uploads and their journal, and answers that are wrong, late or lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from artifactd.daemon.stores.base import Kind, Store, StoreError, UnfinishedUpload
from artifactd.daemon.stores.factory import S3Options, open_store
from artifactd.daemon.stores.sources import BytesSource
from servers.buckets import s3_client, unfinished_uploads
from servers.process import S3Server, free_port
from stores.conftest import PREFIX, Place, s3_place
from stores.proxy import Tamper, open_proxy, unchanged
from stores.support import MIB, Journal, digest, get, keys, put, some_bytes

MARK = b"<the bytes that are damaged on the way>"
SEVERAL_PARTS = 11 * MIB


class Damage:
    """Flips a bit of `MARK` in the first `times` requests that carry it."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.refused = 0

    def upstream(self, data: bytes) -> bytes:
        if self.left and MARK in data:
            self.left -= 1
            return data.replace(MARK, MARK.swapcase(), 1)
        return data

    def downstream(self, data: bytes) -> bytes:
        self.refused += b"BadDigest" in data
        return data


class LostAnswer:
    """Cuts the connection instead of passing the answer to a request whose first line has all of `words`."""

    def __init__(self, *words: bytes) -> None:
        self.words = words
        self.cut = 0
        self._asked = False

    def upstream(self, data: bytes) -> bytes:
        line = data.split(b"\r\n", 1)[0]
        self._asked = self._asked or all(word in line for word in self.words)
        return data

    def downstream(self, data: bytes) -> bytes | None:
        if not self._asked:
            return data
        self._asked = False
        self.cut += 1
        return None


@asynccontextmanager
async def store_behind(
    server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    journal: Journal,
    upstream: Tamper = unchanged,
    downstream: Tamper = unchanged,
) -> AsyncIterator[tuple[Store, Place]]:
    async with open_proxy(server.endpoint, upstream=upstream, downstream=downstream) as endpoint:
        place = s3_place(server, monkeypatch, endpoint)
        async with open_store(place.url, s3=place.options, journal=journal) as store:
            yield store, place


def marked(size: int) -> bytes:
    """Bytes with `MARK` in them once, where no network buffer is likely to end."""
    return b"." * 1000 + MARK + bytes(size - 1000 - len(MARK))


# ministack also refuses the right checksum of the whole when several parts are completed.
@pytest.mark.parametrize(("size", "refused"), [(64 << 10, 1), (SEVERAL_PARTS, 2)])
async def test_bytes_damaged_on_the_way_are_refused_and_sent_again(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal, size: int, refused: int
) -> None:
    data, damage = marked(size), Damage(times=1)
    async with store_behind(ministack_server, monkeypatch, journal, damage.upstream, damage.downstream) as (
        store,
        _,
    ):
        await put(store, "aa/object", data)
        assert damage.refused == refused
        assert digest(await get(store, "aa/object")) == digest(data)
    assert journal.open == {}


@pytest.mark.parametrize("size", [64 << 10, SEVERAL_PARTS])
async def test_bytes_damaged_every_time_are_corrupt_after_a_few_attempts(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal, size: int
) -> None:
    damage = Damage(times=100)
    async with store_behind(ministack_server, monkeypatch, journal, damage.upstream, damage.downstream) as (
        store,
        place,
    ):
        with pytest.raises(StoreError) as caught:
            await put(store, "aa/object", marked(size))
        assert caught.value.kind is Kind.CORRUPT
        assert damage.refused == 4
        assert await keys(store) == []
        assert unfinished_uploads(ministack_server, place.bucket) == []
    assert journal.open == {}


@pytest.mark.parametrize(
    ("size", "words"), [(64 << 10, (b"PUT", b"aa/object")), (SEVERAL_PARTS, (b"POST", b"uploadId="))]
)
async def test_an_object_whose_answer_was_lost_is_found_by_looking(
    juicefs_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    journal: Journal,
    size: int,
    words: tuple[bytes, ...],
) -> None:
    lost = LostAnswer(*words)
    data = some_bytes(size)
    async with store_behind(juicefs_server, monkeypatch, journal, lost.upstream, lost.downstream) as (store, _):
        await put(store, "aa/object", data)
        assert lost.cut >= 1
        assert digest(await get(store, "aa/object")) == digest(data)
    assert journal.open == {}


async def test_an_upload_whose_creation_was_lost_is_found_and_aborted(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    lost = LostAnswer(b"POST", b"uploads")
    async with store_behind(juicefs_server, monkeypatch, journal, lost.upstream, lost.downstream) as (
        store,
        place,
    ):
        with pytest.raises(StoreError) as caught:
            await put(store, "aa/object", some_bytes(SEVERAL_PARTS))
        assert caught.value.kind is Kind.UNKNOWN_OUTCOME
        assert unfinished_uploads(juicefs_server, place.bucket) == []
    assert journal.calls == [("creating", "aa/object"), ("ended", "aa/object")]


async def test_an_upload_that_could_not_be_aborted_is_settled_by_the_next_put(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    broken = True

    def cut_off(data: bytes) -> bytes | None:
        line = data.split(b"\r\n", 1)[0]
        return None if broken and (b"partNumber=" in line or line.startswith(b"DELETE")) else data

    data = some_bytes(SEVERAL_PARTS)
    async with store_behind(juicefs_server, monkeypatch, journal, cut_off) as (store, place):
        with pytest.raises(StoreError) as caught:
            await put(store, "aa/object", data)
        assert caught.value.kind is Kind.TRANSIENT
        assert len(unfinished_uploads(juicefs_server, place.bucket)) == 1
        assert list(journal.open) == ["aa/object"]
        broken = False
        await put(store, "aa/object", data)
        assert unfinished_uploads(juicefs_server, place.bucket) == []
    assert journal.open == {}


async def test_the_journal_knows_of_an_upload_before_the_server_does(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    seen = []

    def watch(data: bytes) -> bytes:
        line = data.split(b"\r\n", 1)[0]
        if line.startswith(b"POST") and b"?uploads" in line:
            seen.append(("create", journal.ids()))
        elif line.startswith(b"PUT") and b"partNumber=" in line:
            seen.append(("part", journal.ids()))
        elif line.startswith(b"POST") and b"uploadId=" in line:
            seen.append(("complete", journal.ids()))
        return data

    async with store_behind(juicefs_server, monkeypatch, journal, watch) as (store, _):
        await put(store, "aa/object", some_bytes(SEVERAL_PARTS))
    assert [name for name, _ in seen] == ["create", "part", "part", "part", "complete"]
    assert seen[0][1] == {"aa/object": None}
    assert all(recorded["aa/object"] for _, recorded in seen[1:])
    assert journal.calls == [("creating", "aa/object"), ("created", "aa/object"), ("ended", "aa/object")]


# moto answers the same moment of initiation for every upload, so none was begun when ours was.
@pytest.mark.parametrize("server_name", ["juicefs_server", "ministack_server", "swift_server"])
async def test_recover_aborts_only_what_the_journal_names_and_nobody_can_go_on_with(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, journal: Journal, server_name: str
) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    place = s3_place(server, monkeypatch)
    now = time.time()
    client = s3_client(server)
    names = ["aa/resumable", "aa/unsized", "aa/unanswered", "aa/unanswered-not", "aa/busy", "aa/foreign", "aa/old"]
    begun = {
        name: client.create_multipart_upload(Bucket=place.bucket, Key=f"{PREFIX}/{name}")["UploadId"]
        for name in names
    }
    client.upload_part(
        Bucket=place.bucket,
        Key=f"{PREFIX}/aa/busy",
        UploadId=begun["aa/busy"],
        PartNumber=1,
        Body=b"another node's",
    )
    client.close()
    uploads = [
        UnfinishedUpload("aa/resumable", begun["aa/resumable"], 5 * MIB, now),
        UnfinishedUpload("aa/unsized", begun["aa/unsized"], None, now),
        UnfinishedUpload("aa/unanswered", None, None, now),
        UnfinishedUpload("aa/busy", None, None, now),
        UnfinishedUpload("aa/old", None, None, now - 3600),
        UnfinishedUpload("aa/gone", "no-such-upload", None, now),
        UnfinishedUpload("aa/none", None, None, now),
    ]
    journal.open = {upload.key: upload for upload in uploads}
    async with open_store(place.url, s3=place.options, journal=journal) as store:
        assert await store.recover() == 6
    assert list(journal.open) == ["aa/resumable"]
    left = [key.removeprefix(f"{PREFIX}/") for key, _ in unfinished_uploads(server, place.bucket)]
    assert sorted(left) == ["aa/busy", "aa/foreign", "aa/old", "aa/resumable", "aa/unanswered-not"]


async def test_a_server_that_is_away_is_transient_and_names_no_credentials(
    monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    options = S3Options(endpoint_url=f"http://127.0.0.1:{free_port()}", region="us-east-1")
    async with open_store("s3://bucket", s3=options, journal=journal) as store:
        with pytest.raises(StoreError) as caught:
            await put(store, "aa/object", b"data")
        outcomes = await store.put_batch([("aa/one", b"1"), ("aa/two", b"2")])
    assert caught.value.kind is Kind.TRANSIENT
    assert [outcome and outcome.kind for outcome in outcomes] == [Kind.TRANSIENT] * 2
    assert "the-key" not in str(caught.value)
    assert "the-secret" not in str(caught.value)


async def test_wrong_credentials_and_a_missing_bucket_wait_for_an_operator(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    place = s3_place(juicefs_server, monkeypatch)
    async with open_store("s3://no-such-bucket", s3=place.options, journal=journal) as store:
        with pytest.raises(StoreError) as caught:
            await put(store, "aa/object", b"data")
        assert caught.value.kind is Kind.DENIED
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    async with open_store(place.url, s3=place.options, journal=journal) as store:
        with pytest.raises(StoreError) as caught:
            await store.put("aa/object", BytesSource(b"data"), digest=digest(b"data"))
        assert caught.value.kind is Kind.DENIED
