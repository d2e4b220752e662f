"""The examination of a bucket of Google Cloud Storage."""

from __future__ import annotations

import pytest

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.doctor.gcs import ROLES
from artifactd.daemon.stores.gcs.requests import Requests
from artifactd.daemon.stores.gcs.session import Sessions
from doctor.support import examined, failures, topics
from servers.gcs import FakeGcs
from servers.process import free_port

DENIED = {
    "storage.objects.list": [(Requests, "page")],
    "storage.objects.get": [(Requests, "head"), (Requests, "get")],
    "storage.objects.create": [(Requests, "put"), (Sessions, "begin")],
    "storage.objects.delete": [(Requests, "delete")],
}


@pytest.fixture(autouse=True)
def emulator(gcs_server: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.endpoint)
    gcs_server.create_bucket("bucket")


def deny(monkeypatch: pytest.MonkeyPatch, permission: str) -> None:
    async def refuse(*_: object) -> None:
        raise StoreError(Kind.DENIED, "ask", "", "403 no")

    for owner, method in DENIED[permission]:
        monkeypatch.setattr(owner, method, refuse)


async def test_a_bucket_is_found_to_be_what_it_is_and_left_as_it_was(gcs_server: FakeGcs) -> None:
    report = await examined("gs://bucket/prefix", "")
    found = {topic: finding.value for topic, finding in topics(report).items()}
    assert report.works
    assert all(found[topic] is True for topic in ("conditional put", "checksum CRC32C", "ranges", "resuming"))
    assert all(found[f"role {role.name}"] is True for role in ROLES)
    assert report.left == ()
    assert not gcs_server.buckets["bucket"].live
    assert not gcs_server.buckets["bucket"].sessions


@pytest.mark.parametrize("permission", DENIED)
async def test_a_missing_permission_is_named_to_the_roles_that_need_it(
    monkeypatch: pytest.MonkeyPatch, permission: str
) -> None:
    deny(monkeypatch, permission)
    report = await examined("gs://bucket", "")
    lacking = {role.name for role in ROLES if topics(report)[f"role {role.name}"].value is False}
    assert lacking == {role.name for role in ROLES if permission in role.needs}
    assert report.works is not bool(lacking & {"uploader", "reader"})
    assert bool(report.left) is (permission == "storage.objects.delete")


async def test_a_bucket_that_is_not_there_cannot_be_worked_with() -> None:
    report = await examined("gs://nowhere", "")
    assert failures(report) == ["role uploader", "role reader"]
    assert "404" in topics(report)["role uploader"].found


async def test_a_server_that_nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    assert failures(await examined("gs://bucket", "")) == ["endpoint"]


async def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    report = await examined("gs://bucket", "")
    assert failures(report) == ["credentials"]
