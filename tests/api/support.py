"""Making artifacts in one line, and looking behind the daemon's back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artifactd.client import Api, Artifact, Client, LogHandle
from harness.daemon import DaemonProcess

__all__ = [
    "SECONDS",
    "blob_of",
    "files_below",
    "made_of",
    "query",
    "spooled",
    "until_committed",
    "until_state",
    "uploaded_bytes",
]

SECONDS = 30.0
"""For what must happen; a test that waits this long has failed."""


def made_of(name: str, files: Mapping[str, bytes], type: str = "dataset", **about: Any) -> Artifact:
    """An artifact that is not logged yet, with these contents."""
    artifact = Artifact(name, type, **about)
    for path, data in files.items():
        with artifact.new_file(path, "xb") as file:
            file.write(data)
    return artifact


def files_below(root: str | Path) -> dict[str, bytes]:
    """What is in a directory, by relative path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


def until_state(handle: LogHandle, state: str) -> None:
    """Return once the daemon says that it is in `state`."""
    while handle.state != state:
        handle.look(0.01)


def until_committed(address: str) -> None:
    """Return once the version is there."""
    deadline = time.monotonic() + SECONDS
    while not Api().artifact_exists(address):
        assert time.monotonic() < deadline, f"{address} is not committed"
        time.sleep(0.01)


def uploaded_bytes(client: Client) -> int:
    """What the daemon has sent to its store since it started."""
    sent: int = client.status()["store"]["uploaded_bytes"]
    return sent


def query(daemon: DaemonProcess, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Read the catalog's tables."""
    connection = sqlite3.connect(f"file:{daemon.home / 'catalog.db'}?mode=ro", uri=True)
    try:
        return connection.execute(sql, arguments).fetchall()
    finally:
        connection.close()


def blob_of(blobs: Path, artifact: Artifact, path: str) -> Path:
    """The object in the `file://` store that holds one file of a version."""
    digest = artifact.entries[path].digest
    assert digest is not None
    name = digest.removeprefix("blake3:")
    return blobs / artifact.entity / "blobs" / name[:2] / name[2:]


def spooled(daemon: DaemonProcess, handle: LogHandle) -> Path:
    """Where a submission's files are before it is committed."""
    return daemon.spool / handle.id
