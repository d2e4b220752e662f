"""What only GCS does: sessions that outlive a process, generations, tokens, keys of the customer's own."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import trio
import trustme

from artifactd.daemon.stores import retry
from artifactd.daemon.stores.base import Kind, StoreError, UnfinishedUpload
from artifactd.daemon.stores.gcs.options import GRAIN
from artifactd.daemon.stores.sources import BytesSource
from servers.gcs import FakeGcs, fake_gcs
from servers.gcs_faults import Fault, Operation
from stores.gcs_support import CHUNK, KEY, NAME, SIZE, gcs_store, insist_on_put, stored
from stores.support import Journal, digest, get, keys, put, some_bytes

SMALL = some_bytes(1_000)
LARGE = some_bytes(SIZE)
KEPT = 4 * CHUNK


@pytest.fixture(autouse=True)
def emulator(gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.endpoint)
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.001)


@pytest.fixture
def tokens(gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Credentials of a user, in the file that it returns, and a server that wants them."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    path = tmp_path / "credentials.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    write_credentials(path, gcs_server)
    gcs_server.require_tokens()
    return path


def write_credentials(path: Path, server: FakeGcs, where: str = "token") -> None:
    secrets = {"client_id": "id", "client_secret": "hunter2", "refresh_token": "hunter3"}
    path.write_text(json.dumps({"type": "authorized_user", "token_uri": f"{server.endpoint}/{where}", **secrets}))


async def leave_half(server: FakeGcs, journal: Journal) -> None:
    """End a process after `KEPT` bytes of `LARGE`: what remains is in the journal and on the server."""
    server.faults.inflict(Operation.CHUNK, *[None] * 4, Fault.UNAVAILABLE)
    server.faults.inflict(Operation.QUERY, *[Fault.UNAVAILABLE] * 3)
    async with gcs_store(server, journal) as store:
        with pytest.raises(StoreError):
            await put(store, KEY, LARGE)


async def test_another_process_goes_on_where_the_last_one_got_to(gcs_server: FakeGcs, journal: Journal) -> None:
    await leave_half(gcs_server, journal)
    before = gcs_server.received(NAME)
    async with gcs_store(gcs_server, journal) as store:
        assert await store.recover() == 0
        await put(store, KEY, LARGE)
    assert gcs_server.received(NAME) - before == SIZE - KEPT
    assert gcs_server.count(Operation.BEGIN) == 1
    assert stored(gcs_server) == LARGE
    assert journal.open == {}


async def test_a_session_is_journalled_before_its_first_byte(gcs_server: FakeGcs, journal: Journal) -> None:
    class Looking(BytesSource):
        def read_into(self, buffer: memoryview, offset: int) -> int:
            assert [name for name, _ in journal.calls] == ["created"]
            return super().read_into(buffer, offset)

    async with gcs_store(gcs_server, journal) as store:
        await store.put(KEY, Looking(LARGE), digest=digest(LARGE))
    assert journal.calls == [("created", KEY), ("ended", KEY)]


async def test_a_session_that_the_server_forgot_is_forgotten_and_begun_anew(
    gcs_server: FakeGcs, journal: Journal
) -> None:
    await leave_half(gcs_server, journal)
    gcs_server.buckets["bucket"].sessions.clear()
    async with gcs_store(gcs_server, journal) as store:
        assert await store.recover() == 1
        assert journal.open == {}
        await put(store, KEY, LARGE)
    assert stored(gcs_server) == LARGE


async def test_a_session_of_another_bucket_is_not_gone_on_with(gcs_server: FakeGcs, journal: Journal) -> None:
    await leave_half(gcs_server, journal)
    async with gcs_store(gcs_server, journal, bucket="other") as store:
        assert await store.recover() == 1
        await put(store, KEY, LARGE)
    assert stored(gcs_server, bucket="other") == LARGE
    assert gcs_server.buckets["bucket"].live == {}
    assert journal.open == {}


async def test_a_source_that_is_another_one_after_the_restart_ends_the_session(
    gcs_server: FakeGcs, journal: Journal
) -> None:
    await leave_half(gcs_server, journal)
    changed = b"?" + LARGE[1:]
    async with gcs_store(gcs_server, journal) as store:
        await store.recover()
        with pytest.raises(StoreError) as caught:
            await store.put(KEY, BytesSource(changed), digest=digest(LARGE))
        assert caught.value.kind is Kind.CORRUPT
        assert journal.open == {}
        assert gcs_server.buckets["bucket"].sessions == {}
        await put(store, KEY, LARGE)
    assert stored(gcs_server) == LARGE


async def test_persisted_bytes_that_rotted_are_found_by_the_checksum_of_the_whole(
    gcs_server: FakeGcs, journal: Journal
) -> None:
    await leave_half(gcs_server, journal)
    next(iter(gcs_server.buckets["bucket"].sessions.values())).data[1] ^= 1
    async with gcs_store(gcs_server, journal) as store:
        await store.recover()
        failed = await insist_on_put(store, LARGE)
    assert [error.kind for error in failed] == [Kind.CORRUPT]
    assert stored(gcs_server) == LARGE


async def test_what_was_completed_just_before_the_crash_is_not_sent_again(
    gcs_server: FakeGcs, journal: Journal
) -> None:
    async with gcs_store(gcs_server, journal) as store:
        await put(store, KEY, LARGE)
    (session,) = gcs_server.buckets["bucket"].sessions.values()
    journal.open[KEY] = UnfinishedUpload(KEY, f"gs://bucket/prefix {session.uri}", CHUNK, 0.0)
    before = gcs_server.received(NAME)
    async with gcs_store(gcs_server, journal) as store:
        await store.recover()
        await put(store, KEY, LARGE)
    assert gcs_server.received(NAME) == before
    assert journal.open == {}
    assert stored(gcs_server) == LARGE


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_an_equal_object_is_success_and_another_one_a_conflict(
    gcs_server: FakeGcs, journal: Journal, data: bytes
) -> None:
    gcs_server.put("bucket", NAME, data)
    gcs_server.put("bucket", "prefix/aa/other", data[:-1] + b"?")
    async with gcs_store(gcs_server, journal) as store:
        await put(store, KEY, data)
        with pytest.raises(StoreError) as caught:
            await put(store, "aa/other", data)
    assert caught.value.kind is Kind.CONFLICT
    assert stored(gcs_server) == data
    assert journal.open == {}


async def test_an_equal_object_that_another_node_made_meanwhile_is_success(
    gcs_server: FakeGcs, journal: Journal
) -> None:
    await leave_half(gcs_server, journal)
    gcs_server.put("bucket", NAME, LARGE)
    async with gcs_store(gcs_server, journal) as store:
        await store.recover()
        await put(store, KEY, LARGE)
    assert stored(gcs_server) == LARGE
    assert journal.open == {}


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_objects_get_the_key_and_the_class_of_the_settings(
    gcs_server: FakeGcs, journal: Journal, data: bytes
) -> None:
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    async with gcs_store(gcs_server, journal, kms_key=key, storage_class="NEARLINE") as store:
        await put(store, KEY, data)
    made = gcs_server.buckets["bucket"].live[NAME]
    assert (made.kms_key, made.resource["storageClass"]) == (key, "NEARLINE")


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_token_that_expires_is_replaced_on_the_way(
    gcs_server: FakeGcs, journal: Journal, data: bytes
) -> None:
    async with gcs_store(gcs_server, journal, endpoint_url=gcs_server.endpoint) as store:
        assert await keys(store) == []
        gcs_server.require_tokens()
        await put(store, KEY, data)
        gcs_server.require_tokens()
        assert await get(store, KEY) == data
    assert stored(gcs_server) == data


async def test_credentials_that_are_mended_are_used_without_a_restart(
    gcs_server: FakeGcs, journal: Journal, tokens: Path
) -> None:
    await trio.Path(tokens).unlink()
    async with gcs_store(gcs_server, journal, endpoint_url=gcs_server.endpoint) as store:
        for data in (SMALL, LARGE):
            with pytest.raises(StoreError) as caught:
                await put(store, KEY, data)
            assert caught.value.kind is Kind.DENIED
        write_credentials(tokens, gcs_server)
        await put(store, KEY, SMALL)
    assert stored(gcs_server) == SMALL


async def test_an_error_repeats_no_secret(gcs_server: FakeGcs, journal: Journal, tokens: Path) -> None:
    write_credentials(tokens, gcs_server, "nowhere")
    async with gcs_store(gcs_server, journal, endpoint_url=gcs_server.endpoint) as store:
        with pytest.raises(StoreError) as caught:
            await put(store, KEY, SMALL)
    assert "hunter" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.kind is Kind.DENIED


@pytest.mark.parametrize(
    ("fault", "operation"), [(Fault.UNAVAILABLE, Operation.CHUNK), (Fault.DROP, Operation.FINISH)]
)
async def test_the_uri_of_a_session_is_in_no_error(
    gcs_server: FakeGcs, journal: Journal, fault: Fault, operation: Operation
) -> None:
    gcs_server.faults.inflict(operation, *[fault] * 2)
    gcs_server.faults.inflict(Operation.QUERY, *[Fault.RESET] * 8)
    async with gcs_store(gcs_server, journal) as store:
        failed = await insist_on_put(store, LARGE)
    (upload_id,) = gcs_server.buckets["bucket"].sessions
    assert failed
    for error in failed:
        assert upload_id not in f"{error!r} {error} {error.__cause__!r}"


async def test_a_chunk_that_was_cut_off_goes_on_where_it_broke(gcs_server: FakeGcs, journal: Journal) -> None:
    gcs_server.faults.inflict(Operation.CHUNK, None, Fault.RESET)
    async with gcs_store(gcs_server, journal) as store:
        await put(store, KEY, LARGE)
    assert gcs_server.count(Operation.QUERY) == 1
    assert gcs_server.received(NAME) - SIZE < GRAIN
    assert stored(gcs_server) == LARGE


async def test_a_missing_bucket_is_for_an_operator_to_mend(gcs_server: FakeGcs, journal: Journal) -> None:
    async with gcs_store(gcs_server, journal) as store:
        del gcs_server.buckets["bucket"]
        for data in (SMALL, LARGE):
            with pytest.raises(StoreError) as caught:
                await put(store, KEY, data)
            assert caught.value.kind is Kind.DENIED


async def test_uploads_of_several_large_objects_share_the_buffers(gcs_server: FakeGcs, journal: Journal) -> None:
    objects = {f"aa/{number}": some_bytes(SIZE + number) for number in range(7)}
    with trio.fail_after(60):
        async with gcs_store(gcs_server, journal) as store, trio.open_nursery() as nursery:
            for key, data in objects.items():
                nursery.start_soon(put, store, key, data)
    for key, data in objects.items():
        assert stored(gcs_server, f"prefix/{key}") == data


async def test_a_bundle_of_certificates_is_what_tls_trusts(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    context = server_context(authority)
    with fake_gcs(context) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        async with gcs_store(server, journal, ca_bundle=str(bundle)) as store:
            await put(store, KEY, LARGE)
        assert stored(server) == LARGE
        async with gcs_store(server, journal) as store:
            with pytest.raises(StoreError) as caught:
                await put(store, KEY, SMALL)
            assert caught.value.kind is Kind.DENIED


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def test_the_proxy_of_the_environment_is_used(
    gcs_server: FakeGcs, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://storage.invalid")
    monkeypatch.setenv("http_proxy", gcs_server.endpoint)
    async with gcs_store(gcs_server, journal) as store:
        await put(store, KEY, SMALL)
    assert stored(gcs_server) == SMALL
