"""What `add_reference` drafts, and what it refuses before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from artifactd.client import Artifact, InvalidRequest


@pytest.fixture
def artifact(name: str) -> Artifact:
    return Artifact(name, "dataset")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("s3://bucket/a/model.pt", "model.pt"),
        ("s3://bucket/a/model.pt?versionId=xy", "model.pt"),
        ("s3://bucket/a/b/", "b"),
        ("s3://bucket", "bucket"),
        ("gs://bucket/a/model.pt#17", "model.pt"),
        ("https://host/a/data.csv?sig=1/2#top", "data.csv"),
    ],
)
def test_a_reference_is_named_after_the_end_of_its_uri(artifact: Artifact, uri: str, path: str) -> None:
    (entry,) = artifact.add_reference(uri)
    assert (entry.path, entry.ref, entry.ref_target(), entry.ref_url()) == (path, uri, uri, uri)


def test_a_file_is_read_at_once(artifact: Artifact, tmp_path: Path) -> None:
    file = tmp_path / "some data.bin"
    file.write_bytes(b"x" * 100)
    (entry,) = artifact.add_reference(file.as_uri())
    assert entry.path == "some data.bin"
    assert (entry.size, entry.digest) == (100, f"blake3:{blake3(b'x' * 100).hexdigest()}")
    (unchecked,) = artifact.add_reference(file.as_uri(), name="other", checksum=False)
    assert (unchecked.size, unchecked.digest) == (100, "")
    assert artifact.size == 200


def test_a_directory_stands_for_its_files(artifact: Artifact, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "d#" / str(number)).mkdir(parents=True)
        (tmp_path / "d#" / str(number) / "f?").write_bytes(b"x" * number)
    made = artifact.add_reference((tmp_path / "d#").as_uri(), name="in")
    assert {entry.path: entry.size for entry in made} == {"in/0/f?": 0, "in/1/f?": 1, "in/2/f?": 2}
    assert made[1].ref in {(tmp_path / "d#" / str(number) / "f?").as_uri() for number in range(3)}
    assert sorted(artifact.entries) == ["in/0/f?", "in/1/f?", "in/2/f?"]


def test_too_many_files_are_an_error_and_change_nothing(artifact: Artifact, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).touch()
    with pytest.raises(InvalidRequest, match="3 files, more than 2"):
        artifact.add_reference(tmp_path.as_uri(), max_objects=2)
    assert artifact.entries == {}
    assert len(artifact.add_reference(tmp_path.as_uri(), max_objects=3)) == 3


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        ("plain/path", "scheme"),
        ("https://me:secret@host/x", "user or a password"),
        ("s3://key@bucket/x", "user or a password"),
        ("https://host/x\n", "control"),
        ("https://host/" + "x" * 2048, "too long"),
        ("https://host", "name"),
        ("ftp://host/x", "needs a name"),
        ("file://host/x", "absolute"),
        ("file:///does/not/exist", "cannot open"),
        ("http://[::1/x", "not understood"),
        (b"s3://b/x", "string"),
    ],
)
def test_what_is_no_reference_is_refused(artifact: Artifact, uri: str, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        artifact.add_reference(uri)
    assert "secret" not in str(caught.value)
    assert artifact.entries == {}


def test_the_same_reference_twice_changes_nothing_and_another_is_refused(artifact: Artifact) -> None:
    artifact.add_reference("s3://bucket/x")
    artifact.add_reference("s3://bucket/x")
    with pytest.raises(InvalidRequest, match="other content"):
        artifact.add_reference("s3://elsewhere/x")
    with pytest.raises(InvalidRequest, match="both a file and a directory"):
        artifact.add_reference("s3://bucket/y", name="x/y")
    assert {path: entry.ref for path, entry in artifact.entries.items()} == {"x": "s3://bucket/x"}


def test_a_reference_may_be_removed(artifact: Artifact) -> None:
    (entry,) = artifact.add_reference("s3://bucket/x")
    artifact.remove(entry)
    assert artifact.entries == {}
