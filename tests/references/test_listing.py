"""Which way a prefix on S3 is listed: with versions where that is allowed, and never one half each."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.references.s3 import S3
from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.remote.s3 import RemoteS3, S3Object

OWN = Asker(os.geteuid(), "team")


class Direct:
    """Calls without another loop."""

    async def call(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await function(*args)


class ScriptedRemote:
    """Lists versions until it denies that; `calls` has the listings asked for."""

    def __init__(self, *, allowed: int) -> None:
        self.allowed = allowed
        self.calls: list[tuple[str, str]] = []

    async def page(self, bucket: str, prefix: str, token: str) -> tuple[list[S3Object], str]:
        self.calls.append(("versions", token))
        self.allowed -= 1
        if self.allowed < 0:
            raise StoreError(Kind.DENIED, "list", bucket, "no")
        return [S3Object(f"{prefix}a", 1, "e", "v")], "more"

    async def page_without_versions(self, bucket: str, prefix: str, token: str) -> tuple[list[S3Object], str]:
        self.calls.append(("plain", token))
        return [S3Object(f"{prefix}a", 1, "e", "")], "next"


def handler(remote: ScriptedRemote) -> S3:
    return S3(cast(Bridge, Direct()), Policy((), {}, "file:///nowhere"), cast(RemoteS3, remote))


async def test_where_versions_may_not_be_listed_they_are_left_out_page_by_page() -> None:
    remote = ScriptedRemote(allowed=0)
    s3 = handler(remote)
    (found,), token = await s3.page("s3://bucket/d", "", OWN)
    assert (found.name, found.uri, found.extra) == ("a", "s3://bucket/d/a", (("etag", "e"),))
    await s3.page("s3://bucket/d", token, OWN)
    assert remote.calls == [("versions", ""), ("plain", ""), ("plain", "next")]


async def test_a_refusal_in_the_middle_of_a_listing_is_one() -> None:
    remote = ScriptedRemote(allowed=1)
    s3 = handler(remote)
    _, token = await s3.page("s3://bucket/d", "", OWN)
    with pytest.raises(StoreError):
        await s3.page("s3://bucket/d", token, OWN)
    assert remote.calls == [("versions", ""), ("versions", "more")]
