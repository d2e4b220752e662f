"""A directory as a store: whether it can be written, on what it lies, and that nothing of ours stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from artifactd.daemon.stores.doctor import local as doctor_local
from artifactd.daemon.stores.doctor.report import Level
from doctor.support import examined, failures, topics


async def test_a_directory_that_is_there_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    report = await examined(tmp_path.as_uri(), "")
    assert report.works
    assert {"write", "durability", "filesystem", "space", "latency", "throughput"} <= topics(report).keys()
    assert os.listdir(tmp_path) == ["mine"]


async def test_one_that_is_not_there_is_not_left_behind(tmp_path: Path) -> None:
    report = await examined((tmp_path / "state" / "blobs").as_uri(), "")
    assert report.works
    assert report.left == ()
    assert os.listdir(tmp_path) == []


async def test_a_file_in_its_place_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file")
    report = await examined((tmp_path / "blobs").as_uri(), "")
    assert failures(report) == ["write"]


async def test_one_that_cannot_be_written_names_the_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> list[Path]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(doctor_local, "make_directories", refuse)
    report = await examined((tmp_path / "blobs").as_uri(), "")
    assert failures(report) == ["write"]
    assert str(os.getuid()) in report.findings[-1].follows


async def test_a_disk_that_does_not_sync_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(paths: list[Path]) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(doctor_local, "sync_all", fail)
    report = await examined(tmp_path.as_uri(), "")
    assert failures(report) == ["durability"]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("ext4", Level.OK),
        ("xfs", Level.OK),
        ("nfs4", Level.NOTE),
        ("fuse.juicefs", Level.NOTE),
        ("tmpfs", Level.WARNING),
    ],
)
async def test_the_kind_of_filesystem_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, level: Level
) -> None:
    monkeypatch.setattr(doctor_local, "filesystem_of", lambda dev: kind)
    found = topics(await examined(tmp_path.as_uri(), ""))["filesystem"]
    assert (found.value, found.level) == (kind, level)
