"""Every fault of the proxy during a download: it goes on where it broke off, and takes only the right bytes."""

from __future__ import annotations

import os
import tempfile

import pytest

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.downloads.transfer import Blob, Transfer
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.protocol.errors import ArtifactdError, CorruptDownload
from servers.faults import Fault, Rule
from servers.process import S3Server
from servers.s3_requests import Operation
from stores.support import MIB, digest, get, put, some_bytes
from stores.trial import REFUSALS, Trial, open_trial

SIZES = (300_000, 11 * MIB + 3)
KEY = "aa/object"
BODIES = (
    Fault.DAMAGED_DOWNLOAD,
    Fault.SHORT_DOWNLOAD,
    Fault.STALLED_DOWNLOAD,
    Fault.STALLED_ANSWER,
    Fault.SLOW_DOWNLOAD,
)


@pytest.fixture(params=["juicefs_server", pytest.param("ministack_server", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


async def fetched(trial: Trial, data: bytes) -> bytes:
    """What the daemon's own download makes of an object that was stored as `data`."""
    with tempfile.TemporaryFile() as file:
        blob = Blob(digest(data), BlobLocation(KEY, 0, len(data)))
        await Transfer(trial.store).fetch(blob, file.fileno())
        return os.pread(file.fileno(), len(data) + 1, 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", [*REFUSALS, Fault.LOST_ANSWER, *BODIES], ids=lambda fault: fault.name.lower())
async def test_a_fault_in_a_download_ends_in_the_right_bytes(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, fault: Fault, size: int
) -> None:
    data = some_bytes(size)
    async with open_trial(server, monkeypatch, Rule(fault, {Operation.GET})) as trial:
        await put(trial.store, KEY, data)
        assert digest(await fetched(trial, data)) == digest(data)
        assert len(trial.faults.struck()) == 1


async def test_a_slow_download_is_not_a_dead_one(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    data = some_bytes(SIZES[0])
    async with open_trial(server, monkeypatch, Rule(Fault.SLOW_DOWNLOAD, {Operation.GET})) as trial:
        await put(trial.store, KEY, data)
        await get(trial.store, KEY)
        assert trial.faults.count(Operation.GET) == 1


async def test_a_download_that_breaks_off_again_and_again_gets_there(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = some_bytes(SIZES[1])
    async with open_trial(server, monkeypatch, Rule(Fault.SHORT_DOWNLOAD, {Operation.GET}, times=7)) as trial:
        await put(trial.store, KEY, data)
        assert digest(await fetched(trial, data)) == digest(data)
        assert trial.faults.count(Operation.GET) == 8


async def test_what_came_of_a_download_before_it_broke_off_is_kept(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little it is: all of it is less than what is gathered for one write."""
    data = some_bytes(SIZES[0])
    async with open_trial(server, monkeypatch, Rule(Fault.SHORT_DOWNLOAD, {Operation.GET}, times=8)) as trial:
        await put(trial.store, KEY, data)
        assert digest(await fetched(trial, data)) == digest(data)
        assert trial.faults.count(Operation.GET) == 9


async def test_a_get_that_is_cut_off_is_an_error_and_no_short_object(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_trial(server, monkeypatch, Rule(Fault.SHORT_DOWNLOAD, {Operation.GET})) as trial:
        await put(trial.store, KEY, some_bytes(SIZES[0]))
        with pytest.raises(StoreError) as caught:
            await get(trial.store, KEY)
    assert caught.value.kind is Kind.TRANSIENT


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.DAMAGED_DOWNLOAD, CorruptDownload), (Fault.INTERNAL, ArtifactdError), (Fault.DENIED, ArtifactdError)],
)
async def test_a_download_that_never_works_says_so(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, fault: Fault, error: type[ArtifactdError]
) -> None:
    data = some_bytes(SIZES[0])
    async with open_trial(server, monkeypatch, Rule(fault, {Operation.GET}, times=None)) as trial:
        await put(trial.store, KEY, data)
        with pytest.raises(error):
            await fetched(trial, data)
