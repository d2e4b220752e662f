"""What stands in the way of everything is named, with what to do about it, and secrets are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifactd.daemon.stores.doctor import examine as doctor
from artifactd.daemon.stores.doctor.report import Level, judge_endpoint
from doctor.support import examined, failures, topics
from servers.buckets import create_bucket
from servers.process import S3Server, free_port
from stores.scripted import Answer, certificate, error, open_server

SECRET = "wJalrXUtnFEMI-secret"


async def test_wrong_credentials(juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = create_bucket(juicefs_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAnobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    report = await examined(f"s3://{bucket}", juicefs_server.endpoint)
    assert failures(report) == ["credentials"]
    assert "access key" in report.findings[-1].found
    assert SECRET not in repr(report)


async def test_a_secret_that_does_not_fit_the_key(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = create_bucket(juicefs_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", juicefs_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    report = await examined(f"s3://{bucket}", juicefs_server.endpoint)
    assert failures(report) == ["credentials"]
    assert SECRET not in repr(report)


async def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    report = await examined("s3://bucket", f"http://127.0.0.1:{free_port()}")
    assert failures(report) == ["credentials"]


async def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    report = await examined("s3://bucket", f"http://127.0.0.1:{free_port()}")
    assert failures(report) == ["credentials"]
    assert "nobody" in report.findings[-1].found


async def test_an_endpoint_that_nobody_serves() -> None:
    report = await examined("s3://bucket", f"http://127.0.0.1:{free_port()}")
    assert failures(report) == ["endpoint"]
    assert "endpoint_url" in report.findings[-1].follows


async def test_a_bucket_that_is_not_there(ministack_server: S3Server) -> None:
    report = await examined("s3://no-such-bucket-here", ministack_server.endpoint)
    assert failures(report) == ["bucket"]


@pytest.mark.parametrize(
    ("code", "status", "topic", "word"),
    [
        ("ExpiredToken", 400, "credentials", "expired"),
        ("RequestTimeTooSkewed", 403, "clock", "clocks"),
        ("ServiceUnavailable", 503, "server", "trouble"),
        ("InternalError", 500, "server", "trouble"),
    ],
)
async def test_what_the_server_says_of_every_request(code: str, status: int, topic: str, word: str) -> None:
    async with open_server(lambda _: error(code, status)) as endpoint:
        report = await examined("s3://bucket", endpoint)
    assert failures(report) == [topic]
    assert word in report.findings[-1].found


async def test_a_wrong_region_names_the_right_one() -> None:
    body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"
    async with open_server(lambda _: Answer(400, body)) as endpoint:
        report = await examined("s3://bucket", endpoint)
    assert failures(report) == ["region"]
    assert "eu-west-3" in report.findings[-1].found


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path)
    async with open_server(lambda _: error("NoSuchBucket", 404), tls=context) as endpoint:
        report = await examined("s3://bucket", endpoint)
        assert failures(report) == ["endpoint"]
        assert "ca_bundle" in report.findings[-1].follows
        assert failures(await examined("s3://bucket", endpoint, ca_bundle=str(trusted))) == ["bucket"]


async def test_a_server_that_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "STEP_SECONDS", 0.3)
    async with open_server(lambda _: Answer(), stop_at=0) as endpoint:
        report = await examined("s3://bucket", endpoint)
    assert failures(report) == ["time"]


async def test_a_clock_that_is_off_is_a_warning(ministack_server: S3Server) -> None:
    late = Answer(404, b"<Error><Code>NoSuchBucket</Code></Error>", (("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),))
    empty = Answer(200, b"<ListBucketResult/>", late.headers)
    answers = [empty, late]
    async with open_server(lambda _: answers.pop(0) if len(answers) > 1 else late) as endpoint:
        report = await examined("s3://bucket", endpoint)
    assert topics(report)["clock"].level is Level.WARNING


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("https://s3.example.org", Level.OK),
        ("http://127.0.0.1:9000", Level.OK),
        ("http://[::1]:9000", Level.OK),
        ("http://localhost:9000", Level.OK),
        ("http://10.0.0.1:9000", Level.WARNING),
        ("http://minio.example.org", Level.WARNING),
    ],
)
def test_a_network_without_tls_is_a_warning(url: str, level: Level) -> None:
    assert judge_endpoint(url).level is level
