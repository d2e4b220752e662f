"""References to buckets: prefixes expanded, versions recorded, and downloads bring the recorded version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artifactd.client import Artifact, ArtifactFailed, Client, ReferenceChanged
from servers.buckets import s3_client
from servers.gcs import FakeGcs
from servers.process import S3Server

SECONDS = 30.0


@pytest.fixture
def s3(moto_server: S3Server) -> Iterator[Any]:
    client = s3_client(moto_server)
    yield client
    client.close()


def logged(client: Client, artifact_name: str, uri: str, **about: Any) -> Artifact:
    artifact = Artifact(artifact_name, "dataset")
    artifact.add_reference(uri, **about)
    return client.log_artifact(artifact).wait(SECONDS)


def downloaded(version: Artifact, root: Path) -> dict[str, bytes]:
    version.download(root)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def put(s3: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())


def versioned(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def test_the_recorded_version_is_what_is_fetched(
    client: Client, name: str, s3: Any, bucket: str, tmp_path: Path
) -> None:
    versioned(s3, bucket)
    old = s3.put_object(Bucket=bucket, Key="d/a", Body=b"old")["VersionId"]
    version = logged(client, name, f"s3://{bucket}/d/a")
    s3.put_object(Bucket=bucket, Key="d/a", Body=b"newer")
    assert version.entries["a"].size == 3
    assert downloaded(version, tmp_path / "one") == {"a": b"old"}
    newer = logged(client, name, f"s3://{bucket}/d/a")
    assert (newer.version, newer.size) == ("v1", 5)
    asked = logged(client, f"{name}.asked", f"s3://{bucket}/d/a?versionId={old}")
    assert downloaded(asked, tmp_path / "two") == {"a": b"old"}
    s3.delete_object(Bucket=bucket, Key="d/a", VersionId=old)
    with pytest.raises(ReferenceChanged):
        version.download(tmp_path / "three")


@pytest.mark.parametrize("has_versions", [True, False])
def test_a_prefix_stands_for_the_newest_version_of_each_object(
    client: Client, name: str, s3: Any, bucket: str, tmp_path: Path, has_versions: bool
) -> None:
    if has_versions:
        versioned(s3, bucket)
    put(s3, bucket, "data/a", "data/sub/b", "data/", "database", "data/gone", "data/a")
    s3.delete_object(Bucket=bucket, Key="data/gone")
    for uri, folder, prefix in ((f"s3://{bucket}/data", None, ""), (f"s3://{bucket}/data/", "in/it", "in/it/")):
        version = logged(client, f"{name}.{len(prefix)}", uri, name=folder)
        expected = {f"{prefix}a": b"data/a", f"{prefix}sub/b": b"data/sub/b"}
        assert downloaded(version, tmp_path / str(len(prefix))) == expected
        assert (version.file_count, version.size) == (2, 16)
        extra = version.entries[f"{prefix}a"]._reference
        assert extra is not None
        assert ("versionId" in dict(extra.extra)) is has_versions


def test_changed_contents_without_versions_fail_loudly(
    client: Client, name: str, s3: Any, bucket: str, tmp_path: Path
) -> None:
    put(s3, bucket, "a")
    version = logged(client, name, f"s3://{bucket}/a")
    s3.put_object(Bucket=bucket, Key="a", Body=b"b")
    with pytest.raises(ReferenceChanged, match="etag:"):
        version.download(tmp_path)


def test_more_objects_than_allowed_are_an_error(client: Client, name: str, s3: Any, bucket: str) -> None:
    put(s3, bucket, "d/1", "d/2", "d/3")
    with pytest.raises(ArtifactFailed, match="more than 2 objects"):
        logged(client, name, f"s3://{bucket}/d", max_objects=2)
    assert logged(client, name, f"s3://{bucket}/d", max_objects=3).version == "v0"


def test_what_is_not_there_fails_the_artifact(client: Client, name: str, bucket: str) -> None:
    with pytest.raises(ArtifactFailed, match="neither"):
        logged(client, name, f"s3://{bucket}/nothing")
    with pytest.raises(ArtifactFailed, match="NoSuchBucket"):
        logged(client, name, "s3://no-such-bucket-anywhere/x")


def test_objects_that_collide_with_files_fail_the_artifact(
    client: Client, name: str, s3: Any, bucket: str
) -> None:
    put(s3, bucket, "d/a/b", "d/..", "e/x")
    artifact = Artifact(name, "dataset")
    artifact.add_reference(f"s3://{bucket}/d/a", name="in")
    artifact.add_reference(f"s3://{bucket}/e")
    with artifact.new_file("x/y", "xb"):
        pass
    with pytest.raises(ArtifactFailed, match="both a file and a directory"):
        client.log_artifact(artifact).wait(SECONDS)
    with pytest.raises(ArtifactFailed, match="cannot be an entry"):
        logged(client, name, f"s3://{bucket}/d")


def test_a_prefix_may_be_looked_up_before_it_is_logged(client: Client, name: str, s3: Any, bucket: str) -> None:
    put(s3, bucket, "d/a", "d/b")
    artifact = Artifact(name, "dataset")
    (entry,) = artifact.add_reference(f"s3://{bucket}/d", name="in")
    assert (entry.size, entry.digest, artifact.size) == (6, "", 6)
    assert list(artifact.entries) == ["in/a", "in/b"]
    put(s3, bucket, "d/c")
    assert list(client.log_artifact(artifact).wait(SECONDS).entries) == ["in/a", "in/b"]


def test_the_recorded_generation_is_what_is_fetched(
    client: Client, name: str, gcs: FakeGcs, tmp_path: Path
) -> None:
    old = gcs.put("bucket", f"{name}/a b", b"old")
    for number in range(4):
        gcs.put("bucket", f"{name}/sub/{number}", b"x" * number)
    version = logged(client, name, f"gs://bucket/{name}")
    gcs.put("bucket", f"{name}/a b", b"newer")
    expected = {"a b": b"old"} | {f"sub/{number}": b"x" * number for number in range(4)}
    assert downloaded(version, tmp_path / "one") == expected
    assert (version.entries["a b"].digest or "").startswith("crc32c:")
    assert logged(client, f"{name}.2", f"gs://bucket/{name}/a b").size == 5
    asked = logged(client, f"{name}.3", f"gs://bucket/{name}/a b#{old}")
    assert downloaded(asked, tmp_path / "two") == {"a b": b"old"}
    gcs.delete("bucket", f"{name}/a b")
    with pytest.raises(ReferenceChanged):
        version.download(tmp_path / "three")
