"""Which permission is missing for which role."""

from __future__ import annotations

import pytest

from artifactd.daemon.stores.doctor.report import Level
from artifactd.daemon.stores.doctor.s3_permissions import PERMISSIONS, ROLES
from doctor.gatekeeper import Gatekeeper
from doctor.support import examined, objects, topics
from servers.buckets import create_bucket
from servers.process import S3Server
from stores.scripted import open_server

ACTIONS = sorted(set(PERMISSIONS.values()))


@pytest.mark.parametrize("denied", ACTIONS)
async def test_a_missing_permission_is_named_to_the_roles_that_need_it(
    ministack_server: S3Server, denied: str
) -> None:
    bucket = create_bucket(ministack_server)
    async with open_server(Gatekeeper(ministack_server, {denied}).answer) as endpoint:
        report = await examined(f"s3://{bucket}/p", endpoint)
    found = topics(report)
    lacking = {role.name for role in ROLES if found[f"role {role.name}"].value is False}
    assert lacking == {role.name for role in ROLES if denied in role.needs}
    assert all(denied in found[f"role {name}"].found for name in lacking)
    assert report.works is not bool(lacking & {"uploader", "reader"})


async def test_an_uploader_need_not_delete_and_what_stays_is_listed(ministack_server: S3Server) -> None:
    bucket = create_bucket(ministack_server)
    async with open_server(Gatekeeper(ministack_server, {"s3:DeleteObject"}).answer) as endpoint:
        report = await examined(f"s3://{bucket}/p", endpoint)
    assert report.works
    assert topics(report)["role gc"].level is Level.NOTE
    assert list(report.left) == objects(ministack_server, bucket) != []
    assert all(key.startswith("p/artifactd-probe/") for key in report.left)


async def test_a_reader_may_write_nothing(ministack_server: S3Server) -> None:
    bucket = create_bucket(ministack_server)
    denied = set(ACTIONS) - {"s3:ListBucket", "s3:GetObject"}
    async with open_server(Gatekeeper(ministack_server, denied).answer) as endpoint:
        report = await examined(f"s3://{bucket}/p", endpoint)
    found = topics(report)
    assert found["role reader"].value is True
    assert found["role uploader"].value is False
    assert all(action in found["role uploader"].found for action in ("s3:PutObject", "s3:AbortMultipartUpload"))
    assert report.left == ()


async def test_what_cannot_be_told_is_not_guessed(ministack_server: S3Server) -> None:
    """Without the right to list, S3 says of an object that is not there that it is forbidden."""
    bucket = create_bucket(ministack_server)
    async with open_server(
        Gatekeeper(ministack_server, {"s3:ListBucket", "s3:PutObject", "s3:GetObject"}).answer
    ) as endpoint:
        report = await examined(f"s3://{bucket}/p", endpoint)
    assert "s3:GetObject" not in topics(report)["role reader"].found
