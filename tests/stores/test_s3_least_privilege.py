"""Credentials that may not list the whole bucket: to them S3 calls forbidden what is not there."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from artifactd.daemon.stores.base import UnfinishedUpload
from artifactd.daemon.stores.factory import open_store
from doctor.gatekeeper import Gatekeeper
from servers.process import S3Server
from stores.conftest import s3_place
from stores.scripted import Answer, Request, open_server
from stores.support import MIB, Journal, digest, get, put, some_bytes

KEY = "aa/object"


async def test_an_upload_that_is_gone_begins_anew_where_missing_objects_are_forbidden(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    def forbid(request: Request) -> Answer | None:
        if request.method != "HEAD":
            return None
        found = keeper.forward(request)
        return Answer(403) if found.status == 404 else found

    data = some_bytes(11 * MIB)
    keeper = Gatekeeper(ministack_server, judge=forbid)
    async with open_server(keeper.answer) as endpoint:
        place = s3_place(ministack_server, monkeypatch)
        journal.open[KEY] = UnfinishedUpload(KEY, "swept-by-a-lifecycle-rule", 5 * MIB, time.time())
        async with open_store(
            place.url, s3=replace(place.options, endpoint_url=endpoint), journal=journal
        ) as store:
            await store.recover()
            await put(store, KEY, data)
            assert digest(await get(store, KEY)) == digest(data)
    assert journal.open == {}
