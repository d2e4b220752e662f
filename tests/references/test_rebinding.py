"""The address that is judged is the one that is connected to, whatever a name server says before and after."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator

import pytest
import trio
from aiohttp.abc import ResolveResult

from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.references.references import QUICK, References, open_references
from artifactd.daemon.stores.remote import http as remote_http
from artifactd.daemon.stores.s3.options import S3Options
from artifactd.protocol.errors import Denied
from servers.web import Website

OWN = Asker(os.geteuid(), "team")
OTHER = Asker(os.geteuid() + 1, "team")
NAMES = {"metadata.google.internal": "169.254.169.254", "here.example": "127.0.0.1"}


class Mapped:
    """A name server of the tests' own."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        where = NAMES.get(host, host)
        return [{"hostname": host, "host": where, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


@pytest.fixture
async def references(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[References]:
    monkeypatch.setattr(remote_http, "ThreadedResolver", Mapped)
    async with open_references(Policy((), {}, "file:///nowhere"), S3Options()) as made:
        yield made


async def look_up(references: References, uri: str, asker: Asker) -> int:
    sizes = [item.size async for page in references.look_up(uri, 1, asker, attempts=QUICK) for item in page]
    return sum(sizes)


async def test_a_name_that_leads_to_the_metadata_service_is_refused(references: References) -> None:
    for uri in ("http://metadata.google.internal/x", "http://169.254.169.254/x", "http://[::ffff:a9fe:a9fe]/x"):
        with pytest.raises(Denied, match="link-local"):
            await look_up(references, uri, OWN)


async def test_so_is_a_redirect_to_such_a_name(references: References, site: Website) -> None:
    site.redirects["a"] = "http://metadata.google.internal/x"
    with pytest.raises(Denied, match="link-local"):
        await look_up(references, site.url("a"), OWN)


async def test_another_user_does_not_reach_this_machine(references: References, site: Website) -> None:
    site.files["a"] = b"12345"
    uri = site.url("a").replace("127.0.0.1", "here.example")
    assert await look_up(references, uri, OWN) == 5
    with pytest.raises(Denied, match="loopback"):
        await look_up(references, uri, OTHER)


async def test_a_look_up_of_a_silent_server_can_be_cancelled(references: References) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, trio.move_on_after(0.2) as scope:
        await look_up(references, f"http://127.0.0.1:{server.getsockname()[1]}/x", OWN)
    assert scope.cancelled_caught
