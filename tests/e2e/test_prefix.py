"""One prefix per entity: whatever is logged, each object lies below the prefix of whom it was logged for."""

from __future__ import annotations

import re
from pathlib import Path

from artifactd.client import Artifact, Client
from harness.fixtures import MakeDaemon
from harness.places import directory

SECONDS = 60
BIG = 9 << 20
BLOB = re.compile(r"(ada|grace)/blobs/[0-9a-f]{2}/[0-9a-f]{62}")
RECORD = re.compile(r"(ada|grace)/records/collections/p/(files|empty|parts)/[0-9]{20}-[0-9a-f]{32}")


def made(name: str, contents: dict[str, bytes]) -> Artifact:
    artifact = Artifact(name, "data")
    for path, data in contents.items():
        with artifact.new_file(path, "wb") as file:
            file.write(data)
    return artifact


def test_all_objects_lie_below_the_prefix_of_their_entity(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    daemon = make_daemon(directory(blobs))
    daemon.start()
    for entity in ("ada", "grace"):
        with Client(socket=daemon.socket, entity=entity, project="p") as client:
            client.log_artifact(made("files", {"small": b"small", "big": bytes(BIG)})).wait(SECONDS)
            client.log_artifact(made("empty", {})).wait(SECONDS)
            client.upsert_artifact(made("parts", {"a": b"first"}), "d")
            client.finish_artifact(made("parts", {"b": b"last"}), "d").wait(SECONDS)
    # A daemon that drains leaves the store with all records.
    daemon.stop()
    keys = [path.relative_to(blobs).as_posix() for path in blobs.rglob("*") if path.is_file()]
    records = [key for key in keys if RECORD.fullmatch(key)]
    assert {match[1] for key in records if (match := RECORD.fullmatch(key))} == {"ada", "grace"}
    keys = [key for key in keys if key not in records]
    assert [key for key in keys if not BLOB.fullmatch(key)] == []
    assert {key.split("/")[0] for key in keys} == {"ada", "grace"}
    of_each = [
        sorted(key.split("/", 1)[1] for key in keys if key.startswith(entity)) for entity in ("ada", "grace")
    ]
    assert of_each[0] == of_each[1], "equal contents of two entities are two objects"
