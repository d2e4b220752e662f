"""Examinations of real servers, and what is in their buckets afterwards."""

from __future__ import annotations

from artifactd.daemon.stores.doctor.examine import examine
from artifactd.daemon.stores.doctor.report import Finding, Level, Report
from artifactd.daemon.stores.factory import GCSOptions, S3Options
from servers.buckets import s3_client, unfinished_uploads
from servers.process import S3Server

__all__ = ["examined", "failures", "objects", "options", "topics"]


def options(endpoint: str, **more: object) -> S3Options:
    return S3Options(endpoint_url=endpoint, addressing_style="path", **more)  # type: ignore[arg-type]


async def examined(url: str, endpoint: str, **more: object) -> Report:
    return await examine(url, options(endpoint, **more), GCSOptions(), lambda step: None)


def topics(report: Report) -> dict[str, Finding]:
    return {finding.topic: finding for finding in report.findings}


def failures(report: Report) -> list[str]:
    return [finding.topic for finding in report.findings if finding.level is Level.FAILURE]


def objects(server: S3Server, bucket: str) -> list[str]:
    """Keys of the objects and of the unfinished uploads."""
    client = s3_client(server)
    try:
        found = client.list_objects_v2(Bucket=bucket).get("Contents", ())
    finally:
        client.close()
    return [item["Key"] for item in found] + [key for key, _ in unfinished_uploads(server, bucket)]
