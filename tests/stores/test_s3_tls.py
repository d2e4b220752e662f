"""S3 over TLS, by a certificate of an authority that only the test knows."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.factory import open_store
from servers.fault_proxy import FaultProxy, fault_proxy
from servers.faults import Fault, Rule
from servers.process import S3Server
from servers.s3_requests import Operation
from stores.conftest import s3_place
from stores.support import MIB, Journal, digest, get, put, some_bytes


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate, as an administrator names it."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def tls(authority: trustme.CA, ministack_server: S3Server) -> Iterator[FaultProxy]:
    """ministack over TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with fault_proxy(ministack_server.endpoint, tls=context) as proxy:
        yield proxy


@pytest.mark.parametrize("size", [300_000, 11 * MIB + 3])
async def test_a_server_of_the_named_authority_is_trusted(
    tls: FaultProxy,
    bundle: Path,
    ministack_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    journal: Journal,
    size: int,
) -> None:
    data = some_bytes(size)
    place = s3_place(ministack_server, monkeypatch, tls.endpoint)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    async with open_store(place.url, s3=place.options, journal=journal) as store:
        await put(store, "aa/object", data)
        assert digest(await get(store, "aa/object")) == digest(data)
    assert journal.open == {}


async def test_a_broken_connection_is_mended_over_tls_too(
    tls: FaultProxy, bundle: Path, ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    data = some_bytes(11 * MIB + 3)
    tls.faults.replace([Rule(Fault.CUT_REQUEST, {Operation.PART}), Rule(Fault.LOST_ANSWER, {Operation.COMPLETE})])
    place = s3_place(ministack_server, monkeypatch, tls.endpoint)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    async with open_store(place.url, s3=place.options, journal=journal) as store:
        await put(store, "aa/object", data)
        assert digest(await get(store, "aa/object")) == digest(data)
    assert len(tls.faults.struck()) == 2
    assert journal.open == {}


async def test_a_server_of_an_unknown_authority_gets_nothing(
    tls: FaultProxy, ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    place = s3_place(ministack_server, monkeypatch, tls.endpoint)
    async with open_store(place.url, s3=place.options, journal=journal) as store:
        with pytest.raises(StoreError) as caught:
            await put(store, "aa/object", b"data")
    assert caught.value.kind is Kind.DENIED
    assert "certificate" in caught.value.reason.lower()
    assert tls.faults.met == []
