"""References to web servers, from log to download."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifactd.client import Api, Artifact, ArtifactFailed, Client, ReferenceChanged
from servers.web import Website

SECONDS = 30.0


def logged(client: Client, name: str, *uris: str) -> Artifact:
    artifact = Artifact(name, "dataset")
    for uri in uris:
        artifact.add_reference(uri)
    return client.log_artifact(artifact).wait(SECONDS)


def test_what_a_server_says_is_recorded_and_fetched(
    client: Client, name: str, site: Website, tmp_path: Path
) -> None:
    site.files = {"a.bin": b"x" * 300_000, "empty": b""}
    version = logged(client, name, site.url("a.bin"), site.url("empty"))
    assert (version.size, version.file_count) == (300_000, 2)
    entry = version.get_entry("a.bin")
    assert entry.digest is not None
    assert entry.digest.startswith('etag:"')
    assert (entry.size, entry.ref) == (300_000, site.url("a.bin"))
    root = Path(version.download(tmp_path / "all"))
    assert {path.name: path.read_bytes() for path in root.iterdir()} == site.files
    version.verify(root)
    assert Path(entry.download(tmp_path / "one")).read_bytes() == site.files["a.bin"]
    assert Api(client=client).artifact(name).digest == version.digest


def test_the_same_state_is_the_same_version(client: Client, name: str, site: Website) -> None:
    site.files["a"] = b"one"
    assert [logged(client, name, site.url("a")).version for _ in range(2)] == ["v0", "v0"]
    site.files["a"] = b"two"
    assert logged(client, name, site.url("a")).version == "v1"


@pytest.mark.parametrize("etag", [True, False])
def test_changed_contents_fail_a_download_loudly(
    client: Client, name: str, site: Website, tmp_path: Path, etag: bool
) -> None:
    site.files["a"] = b"one"
    if not etag:
        site.without_etag.add("a")
    version = logged(client, name, site.url("a"))
    assert bool(version.entries["a"].digest) is etag
    site.files["a"] = b"longer"
    with pytest.raises(ReferenceChanged, match=r"has changed: the version recorded .* now it has") as caught:
        version.download(tmp_path)
    assert caught.value.subject == "a"
    assert list(tmp_path.iterdir()) == []
    del site.files["a"]
    with pytest.raises(ReferenceChanged, match="nothing"):
        version.download(tmp_path)


def test_a_server_without_head_is_asked_for_a_byte(
    client: Client, name: str, site: Website, tmp_path: Path
) -> None:
    site.files = {"a": b"12345", "b": b""}
    site.without_head = {"a", "b"}
    version = logged(client, name, site.url("a"), site.url("b"))
    assert {path: entry.size for path, entry in version.entries.items()} == {"a": 5, "b": 0}
    assert (Path(version.download(tmp_path)) / "a").read_bytes() == b"12345"


def test_what_breaks_off_is_fetched_again(client: Client, name: str, site: Website, tmp_path: Path) -> None:
    site.files["a"] = bytes(range(256)) * 8_000
    site.failing["a"] = 2
    version = logged(client, name, site.url("a"))
    site.breaking["a"] = 2
    assert (Path(version.download(tmp_path)) / "a").read_bytes() == site.files["a"]


def test_what_is_not_there_fails_the_artifact_and_nothing_else(client: Client, name: str, site: Website) -> None:
    site.files["there"] = b"1"
    artifact = Artifact(name, "dataset")
    artifact.add_reference(site.url("missing"))
    handle = client.log_artifact(artifact)
    assert logged(client, name, site.url("there")).version == "v0"
    with pytest.raises(ArtifactFailed, match="404"):
        handle.wait(SECONDS)


def test_redirects_are_followed_but_not_to_the_metadata_service(client: Client, name: str, site: Website) -> None:
    site.files["a"] = b"here"
    site.redirects = {
        "hop": "/a",
        "evil": "http://169.254.169.254/latest/meta-data",
        "loop": "/loop",
        "up": "ftp://h/a",
    }
    assert logged(client, name, site.url("hop")).size == 4
    for path, reason in {"evil": "link-local", "loop": "5 redirects", "up": "redirects to ftp"}.items():
        artifact = Artifact(name, "dataset")
        artifact.add_reference(site.url(path))
        with pytest.raises(ArtifactFailed, match=reason):
            client.log_artifact(artifact).wait(SECONDS)


def test_absurd_answers_fail_only_their_artifact(client: Client, name: str, site: Website) -> None:
    site.files = {"a": b"1", "b": b"2", "fine": b"3"}
    site.absurd = {"a": {"ETag": "x" * 5_000}, "b": {"ETag": "\udcff\udc80"}}
    artifact = Artifact(name, "dataset")
    artifact.add_reference(site.url("a"))
    with pytest.raises(ArtifactFailed, match="absurd"):
        client.log_artifact(artifact).wait(SECONDS)
    assert logged(client, name, site.url("b"), site.url("fine")).file_count == 2


def test_an_entry_can_be_looked_up_before_it_is_logged(client: Client, name: str, site: Website) -> None:
    site.files["a"] = b"12345"
    artifact = Artifact(name, "dataset")
    (entry,) = artifact.add_reference(site.url("a"))
    assert site.requests == {}
    assert (entry.size, artifact.size) == (5, 5)
    assert entry.digest
    site.files["a"] = b"changed since"
    version = client.log_artifact(artifact).wait(SECONDS)
    assert version.entries["a"].digest == entry.digest
    with pytest.raises(ReferenceChanged):
        version.download()


def test_without_a_checksum_nobody_asks(client: Client, name: str, site: Website, tmp_path: Path) -> None:
    site.files["a"] = b"12345"
    artifact = Artifact(name, "dataset")
    artifact.add_reference(site.url("a"), checksum=False)
    version = client.log_artifact(artifact).wait(SECONDS)
    assert site.requests == {}
    assert (version.size, version.entries["a"].digest) == (0, "")
    assert Path(version.file(tmp_path)).read_bytes() == b"12345"


def test_files_and_references_live_side_by_side(client: Client, name: str, site: Website, tmp_path: Path) -> None:
    site.files = {"b": b"by reference", "z": b"also"}
    local = tmp_path / "local"
    local.write_bytes(b"local")
    artifact = Artifact(name, "dataset")
    for path in ("a", "c"):
        with artifact.new_file(path, "xb") as file:
            file.write(path.encode())
    for path in site.files:
        artifact.add_reference(site.url(path))
    artifact.add_reference(local.as_uri(), name="d/e")
    artifact.add_reference("weird://somewhere/else", name="w")
    version = client.log_artifact(artifact).wait(SECONDS)
    assert list(version.entries) == ["a", "b", "c", "d/e", "w", "z"]
    root = Path(version.checkout(tmp_path / "root"))
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == {"a": b"a", "b": b"by reference", "c": b"c", "d/e": b"local", "z": b"also"}
    version.verify(root)
    with pytest.raises(ValueError, match="knows how to fetch weird"):
        version.get_entry("w").download(tmp_path)
    local.write_bytes(b"LOCAL")
    (root / "d/e").unlink()
    with pytest.raises(ReferenceChanged, match="d/e") as caught:
        version.download(root)
    assert "blake3:" in str(caught.value)


def test_a_part_of_a_draft_may_refer(client: Client, name: str, site: Website, tmp_path: Path) -> None:
    site.files = {"a": b"one", "b": b"two"}
    for path in site.files:
        part = Artifact(name, "dataset")
        part.add_reference(site.url(path))
        if path == "a":
            client.upsert_artifact(part, distributed_id="d").wait(SECONDS)
        else:
            version = client.finish_artifact(part, distributed_id="d").wait(SECONDS)
    assert {path: entry.ref for path, entry in version.entries.items()} == {"a": site.url("a"), "b": site.url("b")}
    assert (version.size, version.file_count) == (6, 2)
    version.download(tmp_path)
    version.verify(tmp_path)
