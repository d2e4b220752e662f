"""An upload that broke off goes on: no part that arrived is sent again, and the promised bytes are stored."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from artifactd.daemon.stores import retry
from artifactd.daemon.stores.base import Kind, Store, StoreError, UnfinishedUpload
from artifactd.daemon.stores.factory import open_store
from artifactd.daemon.stores.s3 import resumable
from artifactd.daemon.stores.sources import BytesSource
from servers.buckets import s3_client, unfinished_uploads
from servers.process import S3Server
from stores.conftest import PREFIX, Place, s3_place
from stores.proxy import open_proxy
from stores.support import MIB, Journal, digest, get, put, some_bytes
from stores.wire import Wire

PART = 5 * MIB
DATA = some_bytes(4 * PART - 1)


def is_part(*numbers: int) -> Callable[[bytes], bool]:
    return lambda line: any(re.match(rb"PUT .*partNumber=%d(&| )" % number, line) for number in numbers)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> S3Server:
    """The faster one, which keeps no checksums, unless a test asks for another."""
    found: S3Server = request.getfixturevalue(getattr(request, "param", "juicefs_server"))
    return found


BOTH = pytest.mark.parametrize("server", ["juicefs_server", "ministack_server"], indirect=True)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def place(server: S3Server, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with open_proxy(server.endpoint, upstream=wire.upstream) as endpoint:
        place = s3_place(server, monkeypatch, endpoint)
        # One after the other, so that it is known which parts have arrived.
        yield replace(place, options=replace(place.options, concurrency=1))


@asynccontextmanager
async def opened(place: Place, journal: Journal) -> AsyncIterator[Store]:
    """As a start of the daemon does."""
    async with open_store(place.url, s3=place.options, journal=journal) as store:
        await store.recover()
        yield store


async def break_off(store: Store, wire: Wire, *numbers: int, data: bytes = DATA) -> None:
    wire.cut = is_part(*numbers)
    with pytest.raises(StoreError):
        await put(store, "aa/object", data)
    wire.cut = lambda line: False
    wire.parts.clear()


async def check_stored(store: Store, place: Place, journal: Journal, data: bytes = DATA) -> None:
    assert digest(await get(store, "aa/object")) == digest(data)
    assert journal.open == {}
    assert place.server is not None
    assert unfinished_uploads(place.server, place.bucket) == []


@BOTH
@pytest.mark.parametrize("restarted", [False, True])
async def test_the_next_put_sends_only_what_has_not_arrived(
    place: Place, wire: Wire, journal: Journal, restarted: bool
) -> None:
    async with opened(place, journal) as store:
        await break_off(store, wire, 3)
        assert sorted(journal.sent_parts["aa/object"]) == [1, 2]
        if not restarted:
            await put(store, "aa/object", DATA)
            await check_stored(store, place, journal)
    if restarted:
        async with opened(place, journal) as store:
            await put(store, "aa/object", DATA)
            await check_stored(store, place, journal)
    assert wire.parts == {3: 1, 4: 1}


@BOTH
async def test_parts_that_were_never_noted_are_known_by_their_checksums(
    place: Place, wire: Wire, journal: Journal
) -> None:
    async with opened(place, journal) as store:
        await break_off(store, wire, 3)
    journal.sent_parts["aa/object"].clear()
    async with opened(place, journal) as store:
        await put(store, "aa/object", DATA)
        await check_stored(store, place, journal)
    assert wire.parts == {3: 1, 4: 1}


async def test_parts_that_the_journal_has_and_the_server_has_not_are_sent(
    place: Place, wire: Wire, journal: Journal
) -> None:
    async with opened(place, journal) as store:
        await break_off(store, wire, 3)
    sent = journal.sent_parts["aa/object"]
    sent[4] = replace(sent[1], number=4)
    async with opened(place, journal) as store:
        await put(store, "aa/object", DATA)
        await check_stored(store, place, journal)
    assert wire.parts == {3: 1, 4: 1}


async def test_parts_of_other_bytes_are_sent_again(place: Place, wire: Wire, journal: Journal) -> None:
    """As of a source that was swapped during the first attempt, and is again what it was promised to be."""
    swapped = DATA[:PART] + bytes(PART) + DATA[2 * PART :]
    async with opened(place, journal) as store:
        wire.cut = is_part(3)
        with pytest.raises(StoreError) as caught:
            await store.put("aa/object", BytesSource(swapped), digest=digest(DATA))
        assert caught.value.kind is Kind.TRANSIENT
        wire.cut = lambda line: False
        wire.parts.clear()
        await put(store, "aa/object", DATA)
        await check_stored(store, place, journal)
    assert wire.parts[1] == 0
    assert wire.parts[2] == 1


async def test_a_source_that_is_not_what_was_promised_leaves_nothing(
    place: Place, wire: Wire, journal: Journal
) -> None:
    async with opened(place, journal) as store:
        await break_off(store, wire, 3)
        with pytest.raises(StoreError) as caught:
            await store.put("aa/object", BytesSource(DATA[:-1] + b"!"), digest=digest(DATA))
        assert caught.value.kind is Kind.CORRUPT
        assert await store.head("aa/object") is None
    assert journal.open == {}
    assert place.server is not None
    assert unfinished_uploads(place.server, place.bucket) == []


async def test_an_upload_that_was_aborted_meanwhile_begins_anew(
    place: Place, wire: Wire, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.001)
    async with opened(place, journal) as store:
        await break_off(store, wire, 3)
    assert place.server is not None
    client = s3_client(place.server)
    client.abort_multipart_upload(
        Bucket=place.bucket, Key=f"{PREFIX}/aa/object", UploadId=journal.open["aa/object"].upload_id
    )
    client.close()
    async with opened(place, journal) as store:
        await put(store, "aa/object", DATA)
        await check_stored(store, place, journal)
    assert wire.parts == dict.fromkeys(range(1, 5), 1)


async def test_an_upload_that_was_completed_before_the_kill_sends_nothing(
    place: Place, wire: Wire, journal: Journal
) -> None:
    async with opened(place, journal) as store:
        await put(store, "aa/object", DATA)
    wire.parts.clear()
    journal.open["aa/object"] = UnfinishedUpload("aa/object", "was-completed", PART, 0.0)
    async with opened(place, journal) as store:
        await put(store, "aa/object", DATA)
        await check_stored(store, place, journal)
    assert wire.parts == {}


async def test_an_upload_goes_on_with_the_size_of_parts_that_it_began_with(
    place: Place, wire: Wire, journal: Journal
) -> None:
    async with opened(place, journal) as store:
        await break_off(store, wire, 3)
    other = replace(place, options=replace(place.options, part_size=7 * MIB))
    async with opened(other, journal) as store:
        await put(store, "aa/object", DATA)
        await check_stored(store, place, journal)
    assert wire.parts == {3: 1, 4: 1}


@pytest.mark.parametrize(("idle", "grace", "aborted"), [(True, 0, True), (False, 0, False), (True, 3600, False)])
async def test_an_upload_that_nobody_goes_on_with_is_aborted_after_a_day(
    place: Place,
    wire: Wire,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    idle: bool,
    grace: int,
    aborted: bool,
) -> None:
    async with opened(place, journal) as store:
        await break_off(store, wire, 2)
    if idle:
        journal.open["aa/object"] = replace(journal.open["aa/object"], touched_at=1.0)
    monkeypatch.setattr(resumable, "GRACE_SECONDS", grace)
    async with opened(place, journal) as store:
        await put(store, "aa/other", DATA)
    assert ("aa/object" not in journal.open) is aborted
    assert place.server is not None
    assert (unfinished_uploads(place.server, place.bucket) == []) is aborted
