"""One file, all files, a directory made equal, a directory compared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.support import SECONDS, files_below, made_of
from artifactd.client import Artifact, ArtifactNotLoggedError, Client, EntryNotFound, VerificationFailed

FILES = {"a": b"aaaa", "deep/b": b"bbbb", "deep/er/c": b"cc", "z": b"\xc3\xa9"}


@pytest.fixture
def logged(client: Client, name: str) -> Artifact:
    return client.log_artifact(made_of(name, FILES)).wait(SECONDS)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_entry_tells_its_size_and_digest_and_is_fetched_alone(logged: Artifact, tmp_path: Path) -> None:
    entry = logged.get_entry("deep/b")
    assert (entry.path, entry.size, entry.digest) == ("deep/b", 4, logged.entries["deep/b"].digest)
    assert entry == logged.manifest.entries["deep/b"]
    assert entry.download(tmp_path) == str(tmp_path / "deep/b")
    assert files_below(tmp_path) == {"deep/b": b"bbbb"}


def test_an_entry_lands_in_the_versions_directory_by_default(logged: Artifact, name: str, here: Path) -> None:
    assert logged.get_path("a").download() == f"artifacts/{name}:v0/a"
    assert files_below(here / f"artifacts/{name}:v0") == {"a": b"aaaa"}


def test_an_entry_that_is_not_there_is_a_key_error_that_names_near_matches(logged: Artifact) -> None:
    with pytest.raises(KeyError, match="'deep/b'") as failure:
        logged.get_entry("deep/bb")
    assert isinstance(failure.value, EntryNotFound)
    with pytest.raises(KeyError, match="no entry 'deep'"):
        logged.get_entry("deep")


@pytest.mark.parametrize("path", ["../a", "/a", ""])
def test_an_entry_is_asked_for_by_a_path_of_the_rules(path: str, logged: Artifact) -> None:
    with pytest.raises(ValueError, match="entry path"):
        logged.get_entry(path)


def test_entries_are_found_in_every_block_of_a_long_manifest(client: Client, name: str) -> None:
    draft = made_of(name, {f"{number:05}": b"" for number in range(20_005)})
    logged = client.log_artifact(draft).wait(SECONDS)
    for path in ("00000", "09999", "10000", "19999", "20004"):
        assert logged.get_entry(path).path == path
    for path in ("", "!", "10000x", "99999")[1:]:
        with pytest.raises(KeyError):
            logged.get_entry(path)


def test_the_file_is_the_only_one(client: Client, name: str, tmp_path: Path, logged: Artifact) -> None:
    single = client.log_artifact(made_of(f"{name}-1", {"deep/only": b"1"})).wait(SECONDS)
    assert Path(single.file(tmp_path)).read_bytes() == b"1"
    with pytest.raises(ValueError, match="4 files"):
        logged.file(tmp_path)


def test_files_iterate_in_order_and_fetch_themselves(logged: Artifact, tmp_path: Path) -> None:
    files = list(logged.files())
    assert [(file.name, file.size) for file in files] == [(path, len(data)) for path, data in FILES.items()]
    with files[3].download(tmp_path) as opened:
        assert opened.read() == "é"
    assert files_below(tmp_path) == {"z": FILES["z"]}
    assert [file.name for file in logged.files(["z", "deep/b", "none"])] == ["deep/b", "z"]


def test_files_and_prefixes_that_nothing_matches_name_near_matches(logged: Artifact, tmp_path: Path) -> None:
    with pytest.raises(EntryNotFound, match=r"no entry 'deep/bb' \(did you mean 'deep/b'"):
        list(logged.files(["deep/bb"]))
    assert list(logged.files([])) == []
    assert [file.name for file in logged.files("deep/b")] == ["deep/b"]
    root = tmp_path / "root"
    with pytest.raises(EntryNotFound, match=r"no entry starts with 'dep/' \(did you mean 'deep/'"):
        logged.download(root, path_prefix="dep/")
    with pytest.raises(EntryNotFound, match=r"no entry starts with 'nothing' \(see"):
        logged.download(root, path_prefix="nothing")
    assert not root.exists()


def test_a_file_that_is_there_is_replaced_or_kept_only_when_told(logged: Artifact, tmp_path: Path) -> None:
    (file,) = logged.files(["a"])
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(ValueError, match="already"):
        file.download(tmp_path)
    with file.download(tmp_path, exist_ok=True) as opened:
        assert opened.read() == "mine"
    with file.download(tmp_path, replace=True) as opened:
        assert opened.read() == "aaaa"


def test_a_checkout_makes_the_directory_equal(logged: Artifact, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"untouched")
    (root / "deep" / "extra").mkdir(parents=True)
    (root / "deep" / "extra" / "file").write_bytes(b"x")
    (root / "a").mkdir()
    (root / "a" / "file").write_bytes(b"in the way")
    (root / "z").symlink_to(outside / "precious")
    (root / "link").symlink_to(outside)
    (root / "deep" / "er").symlink_to(outside)
    os.mkfifo(root / "fifo")
    assert logged.checkout(root) == str(root)
    assert files_below(root) == FILES
    assert {path.name for path in root.rglob("*") if path.is_dir()} == {"deep", "er"}
    assert not any(path.is_symlink() for path in root.rglob("*"))
    assert files_below(outside) == {"precious": b"untouched"}


def test_a_checkout_keeps_what_is_intact(logged: Artifact, tmp_path: Path) -> None:
    logged.checkout(tmp_path)
    before = (tmp_path / "a").stat().st_ino
    logged.checkout(tmp_path)
    assert (tmp_path / "a").stat().st_ino == before


def test_a_checkout_lands_in_the_versions_directory_by_default(logged: Artifact, here: Path) -> None:
    assert files_below(logged.checkout()) == FILES


def test_verify_says_nothing_of_a_directory_that_is_equal(logged: Artifact, here: Path) -> None:
    logged.download()
    (here / "artifacts" / logged.name / "empty").mkdir()
    logged.verify()


def test_verify_names_all_that_is_wrong_and_changes_nothing(logged: Artifact, tmp_path: Path) -> None:
    logged.download(tmp_path)
    (tmp_path / "a").write_bytes(b"AAAA")
    (tmp_path / "z").unlink()
    (tmp_path / "deep" / "more").write_bytes(b"")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(VerificationFailed) as failure:
        logged.verify(tmp_path)
    assert isinstance(failure.value, ValueError)
    for said in ("missing: 'z'", "differs: 'a'", "extra: 'deep/more', 'link'", str(tmp_path)):
        assert said in str(failure.value)
    assert set(files_below(tmp_path)) == {"a", "deep/b", "deep/er/c", "deep/more", "link"}


def test_verify_takes_no_link_for_the_file(logged: Artifact, tmp_path: Path) -> None:
    logged.download(tmp_path / "root")
    (tmp_path / "root" / "a").rename(tmp_path / "a")
    (tmp_path / "root" / "a").symlink_to(tmp_path / "a")
    with pytest.raises(VerificationFailed, match="differs: 'a'"):
        logged.verify(tmp_path / "root")


def test_verify_names_so_many_and_counts_the_rest(client: Client, name: str, tmp_path: Path) -> None:
    logged = client.log_artifact(made_of(name, {f"{number:03}": b"" for number in range(25)})).wait(SECONDS)
    with pytest.raises(VerificationFailed, match="'019' and 5 more"):
        logged.verify(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_nothing_is_read_from_an_artifact_that_was_not_logged(name: str) -> None:
    draft = Artifact(name, "dataset")
    for read in (draft.download, draft.checkout, draft.verify, draft.file, lambda: draft.get_entry("a")):
        with pytest.raises(ArtifactNotLoggedError):
            read()
    with pytest.raises(ArtifactNotLoggedError):
        next(draft.files())
