"""A home of every release so far opens, its unfinished work goes on, and nothing of it is lost or changed."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from blake3 import blake3

from artifactd.client import ArtifactFailed
from artifactd.daemon.queue.recovery import submit_of
from artifactd.daemon.queue.rows import COLUMNS, from_sql, to_sql
from artifactd.protocol.codec import pack_body
from golden.expected import large, small
from harness.daemon import DaemonProcess
from harness.places import Place

ARCHIVES = sorted((Path(__file__).parents[1] / "data").glob("home-*.tar.xz"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name)
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="artifactd-", dir="/tmp"))
    with tarfile.open(request.param) as archive:
        # The parameter `filter` is newer than the oldest Python that we serve; this does the same everywhere.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(directory)
    belongs_to_us(directory / "home")
    yield directory / "home"
    shutil.rmtree(directory)


def belongs_to_us(home: Path) -> None:
    """The rows name the user who made the home; here that is whoever runs the tests."""
    db = apsw.Connection(str(home / "journal.db"))
    for found in db.execute(f"SELECT {COLUMNS} FROM submissions").fetchall():
        values = to_sql(replace(from_sql(found), uid=os.geteuid()))
        db.execute(f"REPLACE INTO submissions ({COLUMNS}) VALUES ({','.join('?' * len(values))})", values)
    db.close()
    catalog = apsw.Connection(str(home / "catalog.db"))
    catalog.execute("UPDATE commits SET uid = ?", (os.geteuid(),))
    catalog.close()


def test_there_is_a_golden_home_to_open() -> None:
    assert ARCHIVES


def test_a_submission_of_that_release_that_is_sent_again_is_the_same_submission(home: Path) -> None:
    db = apsw.Connection(str(home / "journal.db"))
    rows = [from_sql(found) for found in db.execute(f"SELECT {COLUMNS} FROM submissions WHERE length(body) > 0")]
    db.close()
    assert rows
    for row in rows:
        assert pack_body(submit_of(row.body)) == row.body
        assert blake3(row.body).digest() == row.body_hash


def test_a_golden_home_opens_and_its_unfinished_work_goes_on(home: Path) -> None:
    expected = json.loads((home / "expected.json").read_text())
    daemon = DaemonProcess(home, Place({}, list))
    daemon.start()
    try:
        with daemon.client() as client:
            for id in expected["durable"]:
                client.handle(id).wait(timeout=60)
            for id in expected["lost"]:
                with pytest.raises(ArtifactFailed, match="machine went down"):
                    client.handle(id).wait(timeout=60)
            for epoch in range(5):
                version = client.use_artifact(f"model:v{epoch}")
                assert version.metadata == {"epoch": epoch}
                assert version.description == f"epoch {epoch}"
                root = Path(version.download(home.parent / f"v{epoch}"))
                found = {
                    str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
                }
                assert found == {**small(epoch), "weights.bin": large(epoch)}
            assert client.use_artifact("model:best").version == "v1"
            assert client.use_artifact("model:latest").version == "v4"
        daemon.stop()
    finally:
        daemon.close()
